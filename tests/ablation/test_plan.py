"""What is refused before anything is trained."""

from pathlib import Path

import pytest
from tests.ablation.definitions import define

from multihead.ablation.plan import prepare
from multihead.errors import ConfigError

pytestmark = pytest.mark.usefixtures("home")


def test_every_part_has_a_cell_per_seed() -> None:
    plan = prepare(define())
    assert [cell.name for cell in plan.cells[:4]] == [
        "single-digit-seed1",
        "single-thickness-seed1",
        "single-smoothness-seed1",
        "uniform-seed1",
    ]
    assert len(plan.cells) == 8
    assert len({cell.identity for cell in plan.cells}) == 8
    assert plan.metrics == dict.fromkeys(("digit", "thickness", "smoothness"), ("acc",))
    heads = ("digit", "thickness", "smoothness")
    assert plan.measured == tuple((a, h, "acc") for a in ("single", "uniform") for h in heads)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            {"overrides": ["data.train_val_test_split=[128,64,32]"]},
            "different test sets",
        ),
        ({"overrides": ["data.seed=3"]}, "different test sets"),
        ({"overrides": ["data.seed=1"]}, "data.seed its seed and 1"),
        ({"overrides": ["data.heads.thickness.map={0:1}"]}, "different training data"),
        ({"overrides": ["test=false"]}, "'odd' has train=false or test=false"),
        ({"overrides": ["model.net.fc_hiden=3"]}, "did you mean 'fc_hidden'"),
        ({"study": "nowhere"}, "no recorded study 'nowhere'|no study storage"),
    ],
)
def test_an_arm_that_cannot_be_compared_is_refused(arm: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        prepare(define(arms={"base": {}, "odd": arm}, baseline="base"))
    assert "\n" not in str(error.value)


def test_an_arm_with_other_files_is_refused(mnist_dir: Path) -> None:
    sizes = "data.train_val_test_split=[64,32,32]"
    other = {"overrides": ["data=multihead_mnist", f"data.data_dir={mnist_dir}", sizes]}
    with pytest.raises(ConfigError, match="different training data"):
        prepare(define(arms={"base": {}, "odd": other}, baseline="base"))


def test_training_on_fewer_images_is_allowed_and_said() -> None:
    fewer = {"overrides": ["data.train_val_test_split=[64,64,64]"]}
    plan = prepare(define(arms={"base": {}, "fewer": fewer}, baseline="base"))
    assert "fewer is trained on other images" in plan.notes[0]


def test_unequal_tuning_needs_a_reason() -> None:
    """More trials for one side is how multi-task gains are made up."""
    keys = {
        "arms": {"base": {}, "more": {"trials": 5}},
        "baseline": "base",
        "tuning": {"trials": 2, "space": {"model.optimizer.lr": {"low": 1e-3, "high": 1e-2}}},
    }
    with pytest.raises(ConfigError, match=r"base 2, more 5.*unequal"):
        prepare(define(**keys))
    assert len(prepare(define(**keys, unequal="to show what it does")).untuned) == 2


def test_an_arm_of_no_trials_is_not_waiting_to_be_tuned() -> None:
    plan = prepare(
        define(
            arms={"plain": {"trials": 0}, "searched": {}},
            baseline="plain",
            tuning={"trials": 2, "space": {"model.optimizer.lr": {"low": 1e-3, "high": 1e-2}}},
            unequal="the baseline is the published setting",
        )
    )
    assert [part.name for part in plan.untuned] == ["searched"]


def test_a_metric_that_no_head_has_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no head has the metric 'mae'.*acc, loss"):
        prepare(define(metrics=["mae"]))


def test_another_split_of_the_same_size_is_said() -> None:
    other = {"overrides": ["data.stratify=[digit]"]}
    arms = {"base": {}, "alone": {"heads": ["digit"]}, "other": other}
    plan = prepare(define(arms=arms, baseline="base"))
    (note,) = plan.notes
    assert note.startswith("arm other is trained or validated on other images")
