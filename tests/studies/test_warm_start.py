"""An earlier run as the first trial of a study, whatever its config groups are."""

import pytest

from multihead.errors import ConfigError
from multihead.studies.check import Plan, prepare
from multihead.studies.definition import Definition
from multihead.studies.warm_start import params_of_record

SPACE = {
    "model/balancer": ["dwa", "cagrad", "pcgrad", "imtl_g"],
    "model.balancer.temperature": {"low": 0.5, "high": 5.0, "when": {"model/balancer": "dwa"}},
    "data/augment": ["none", "mixup"],
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    content = {"name": "search", "experiment": "multihead_cnn_digits", "space": SPACE}
    return prepare(Definition.model_validate({**content, "objectives": "val/acc", "n_trials": 1}))


@pytest.mark.parametrize(
    "chosen",
    [
        {"model/balancer": "dwa", "model.balancer.temperature": 3.0, "data/augment": "mixup"},
        {"model/balancer": "imtl_g", "data/augment": "none"},
    ],
)
def test_a_run_s_choices_are_found_by_what_they_compose_to(
    chosen: dict[str, object], plan: Plan
) -> None:
    record = plan.configs.config(chosen)
    assert params_of_record(record, "r", plan.configs, plan.space) == chosen


def test_a_record_with_other_arguments_is_found_by_its_classes(plan: Plan) -> None:
    """An earlier release may have had other defaults."""
    record = plan.configs.config({"model/balancer": "cagrad"})
    del record["model"]["balancer"]["every"]
    found = params_of_record(record, "r", plan.configs, plan.space)
    assert found["model/balancer"] == "cagrad"


def test_a_run_of_another_method_is_refused(plan: Plan) -> None:
    record = plan.configs.config({"model/balancer": "uw"})
    with pytest.raises(ConfigError, match="model/balancer of run r matches none of the choices"):
        params_of_record(record, "r", plan.configs, plan.space)
