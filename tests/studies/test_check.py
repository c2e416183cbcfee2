"""What is refused before a study starts, and why."""

import pytest
from tests.studies.conftest import Define

from multihead.errors import ConfigError
from multihead.studies.check import check

LR = {"model.optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}}


def test_a_study_that_fits_its_base_passes(define: Define) -> None:
    plan = check(define(space=LR | {"loss_weights": {"simplex": ["digit", "thickness"]}}))
    assert plan.configs.base.run.test is False


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"objectives": "val/loss"}, "changes with the weights themselves"),
        ({"objectives": {"val/digit_ac": "maximize"}}, "never be logged.*did you mean"),
        ({"objectives": {"test/digit_acc": "maximize"}}, "never read"),
        ({"objectives": {"lr": "minimize"}}, "no measure of quality"),
        ({"objectives": "train/digit_acc"}, "of the training images"),
        ({"space": {"model.optimizer.rl": LR["model.optimizer.lr"]}}, "optimizer.rl.*base does"),
        ({"space": {"modle/net": ["a"]}}, "did you mean 'model/net'"),
        ({"space": {"model/net": ["simple_cnn_digits", "resnet"]}}, "resnet"),
        ({"space": {"seed": [1, 2]}}, "set seeds"),
        ({"space": {"data.seed": [1, 2]}}, "changes the images"),
        ({"space": {"model.optimizer": [1, 2]}}, "name one"),
        ({"space": {"data.batch_size": [16, "many"]}}, "batch_size"),
        ({"space": {"model.optimizer.lr": {"low": 0.01, "high": 0.1}}}, "does not hold 0.002"),
        ({"space": {"loss_weights": {"simplex": ["digit", "colour"]}}}, "'colour'"),
        ({"sampler": "cmaes", "objectives": ["val/digit_acc", "val/acc"]}, "takes one objective"),
        ({"sampler": "grid"}, "no finite set"),
        ({"experiment": "multihead_cnn_digit"}, "did you mean"),
        ({"overrides": ["n_trial=3"]}, "did you mean 'n_trials'.*seed, .*hung_after"),
        (
            {
                "objectives": "val/digit_loss",
                "space": {"model.criteria.digit": [1]},
            },
            "group of keys",
        ),
    ],
)
def test_a_study_that_cannot_work_is_refused_in_one_line(
    keys: dict[str, object], message: str, define: Define
) -> None:
    from multihead.studies.create_or_resume import first_points

    definition = define(**keys)
    with pytest.raises(ConfigError, match=message) as caught:
        first_points(definition, check(definition))
    assert "\n" not in str(caught.value)
