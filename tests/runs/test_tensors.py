"""Numbers of a configuration where a class wants a tensor."""

from typing import Any

import pytest
import torch

from multihead.errors import ConfigError
from multihead.runs.build import build_data, start_module
from multihead.runs.config import compose_run
from multihead.runs.sections import RunConfig
from multihead.training.module import MultiheadLitModule

DIGITS = ("experiment=multihead_cnn_digits", "trainer=cpu")


def module_of(*overrides: str) -> MultiheadLitModule:
    config = RunConfig.checked(compose_run([*DIGITS, *overrides]))
    return start_module(config.model, build_data(config.data), from_checkpoint=False)[0]


def criterion(node: str) -> Any:
    return module_of(f"+model.criteria.smoothness={node}").criteria.of("smoothness")


def test_a_list_is_the_weight_of_a_loss_of_torch() -> None:
    made = criterion("{_target_: torch.nn.CrossEntropyLoss, weight: [1.0, 5, 2]}")
    assert made.weight.tolist() == [1.0, 5.0, 2.0]
    assert made.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("weight", "message"),
    [("[1.0, 5.0]", "defined either for all 3 classes"), ("[1.0, much, 2]", "instance of Tensor")],
)
def test_a_weight_that_does_not_fit_is_refused(weight: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        criterion(f"{{_target_: torch.nn.CrossEntropyLoss, weight: {weight}}}")


def test_weights_and_smoothing_are_given_by_head_and_recorded() -> None:
    module = module_of(
        "model.class_weights.digit=balanced",
        "model.class_weights.smoothness=[1, 2, 3]",
        "model.label_smoothing.digit=0.1",
    )
    recorded = module.weights_of_labels.record()
    assert recorded["class_weights.smoothness"] == "1 2 3"
    assert len(recorded["class_weights.digit"].split()) == 10
    assert module.criteria.of("digit").label_smoothing == 0.1


def test_focal_loss_that_no_head_would_get_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"is used by no head.*Add model.criteria=null"):
        module_of("model/criterion=focal")
