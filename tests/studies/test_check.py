"""What is refused before a study starts, and why."""

import pytest
from tests.studies.conftest import Define

from multihead.errors import ConfigError
from multihead.studies.check import check, check_directions
from multihead.studies.create_or_resume import first_points

METHODS = {"model/balancer": ["static", "dwa", "cagrad"]}
LR = {"model.optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}}


def test_a_study_that_fits_its_base_passes(define: Define) -> None:
    plan = check(define(space=LR | {"loss_weights": {"simplex": ["digit", "thickness"]}}))
    assert plan.configs.base.run.test is False


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"objectives": "val/loss"}, "depends on the weights"),
        ({"objectives": {"val/digit_ac": "maximize"}}, "never be logged.*did you mean"),
        ({"objectives": {"test/digit_acc": "maximize"}}, "never read"),
        ({"objectives": {"lr": "minimize"}}, "does not measure quality"),
        ({"objectives": "train/digit_acc"}, "uses the training images"),
        ({"space": {"model.optimizer.rl": LR["model.optimizer.lr"]}}, "optimizer.rl.*base does"),
        ({"space": {"modle/net": ["a"]}}, "did you mean 'model/net'"),
        ({"space": {"model/net": ["simple_cnn_digits", "resnet"]}}, "resnet"),
        ({"space": {"seed": [1, 2]}}, "set seeds"),
        ({"space": {"data.seed": [1, 2]}}, "changes the images"),
        ({"space": {"model.optimizer": [1, 2]}}, "name one"),
        ({"space": {"data.batch_size": [16, "many"]}}, "batch_size"),
        ({"space": {"model.optimizer.lr": {"low": 0.01, "high": 0.1}}}, "does not contain 0.002"),
        ({"space": {"loss_weights": {"simplex": ["digit", "colour"]}}}, "'colour'"),
        (
            {"space": METHODS | {"model.balancer.c": {"low": 0.1, "high": 0.9}}},
            r"not a key of model/balancer static.*when: \{model/balancer: \[cagrad\]\}",
        ),
        (
            {
                "space": METHODS
                | {
                    "model.balancer.temprature": {
                        **{"low": 0.5, "high": 5.0},
                        "when": {"model/balancer": "dwa"},
                    }
                }
            },
            r"model/balancer dwa does not have \(did you mean 'temperature'\?\)",
        ),
        (
            {
                "space": METHODS
                | {
                    "model.balancer.temperature": {
                        **{"low": 0.0, "high": 5.0},
                        "when": {"model/balancer": "dwa"},
                    }
                }
            },
            "model.balancer.temperature: with 0.0, .*temperature is 0.0; give a number above 0",
        ),
        (
            {
                "space": METHODS
                | {
                    "model.balancer.temperature": {
                        **{"low": 0.5, "high": 5.0},
                        "when": {"model/balancer": "uw_so"},
                    }
                }
            },
            "does not contain 'uw_so'; its choices are static, dwa, cagrad",
        ),
        ({"space": {"model/balancer": ["static", "dwaa"]}}, "did you mean 'dwa'"),
        ({"space": LR | {"data/heads": ["handwritten_digit"]}}, "changes the images"),
        ({"pruner": {"name": "best_after", "trials": 1}}, "decides after 1 epochs, but the base"),
        (
            {
                "pruner": {"name": "best_after", "trials": 1},
                "overrides": ["trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2"],
            },
            "validates every 2 epochs",
        ),
        ({"sampler": "cmaes", "objectives": ["val/digit_acc", "val/acc"]}, "takes one objective"),
        ({"sampler": "grid"}, "no finite set"),
        (
            {
                "sampler": "grid",
                "space": {"data.batch_size": [32, 64]},
                "enqueue": [{"data.batch_size": 32}],
            },
            "grid trains the points of its space",
        ),
        (
            {"enqueue": [{"optimizer.lr": 0.01}]},
            r"enqueue gives 'optimizer.lr' \(did you mean 'model.optimizer.lr'\?\), which .* not",
        ),
        (
            {
                "space": METHODS
                | {
                    "model.balancer.c": {
                        **{"low": 0.1, "high": 0.9},
                        "when": {"model/balancer": "cagrad"},
                    }
                },
                "enqueue": [{"model/balancer": "static", "model.balancer.c": 0.5}],
            },
            "enqueue gives 'model.balancer.c' .*which the space does not search in this trial",
        ),
        ({"space": {"data.split_seed": [1, 2]}}, "changes the images"),
        ({"experiment": "multihead_cnn_digit"}, "did you mean"),
        (
            {"overrides": ["n_trial=3"]},
            "did you mean 'n_trials'.*allowed: n_trials, .* more, see docs",
        ),
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
    definition = define(**keys)
    with pytest.raises(ConfigError, match=message) as caught:
        first_points(definition, check(definition))
    assert "\n" not in str(caught.value)


def test_the_parameters_of_a_choice_of_any_group_are_checked_with_that_choice(
    define: Define,
) -> None:
    space = {
        "model/scheduler": ["none", "step"],
        "model.scheduler.gamma": {"low": 0.1, "high": 0.9, "when": {"model/scheduler": "step"}},
        "data/augment": ["none", "mixup"],
        "data.augment.mixup.alpha": {"low": 0.1, "high": 0.4, "when": {"data/augment": "mixup"}},
    }
    plan = check(define(space=space, defaults=False))
    config = plan.configs.config({"model/scheduler": "step", "model.scheduler.gamma": 0.3})
    assert config["model"]["scheduler"]["gamma"] == 0.3


def test_loss_weights_beside_a_method_that_does_not_heed_them_are_told(define: Define) -> None:
    simplex = {"simplex": ["digit", "thickness", "smoothness"]}
    space = {"model/balancer": ["static", "gls"], "loss_weights": simplex}
    (note,) = check(define(space=space)).notes
    assert "no effect on shared parameters with model/balancer gls, but" in note
    assert "when: {model/balancer: [static]}" in note
    when = {**simplex, "when": {"model/balancer": "static"}}
    assert check(define(space={**space, "loss_weights": when})).notes == ()


def test_a_new_study_drives_a_metric_the_way_that_is_better(define: Define) -> None:
    """The name alone says it; the other way the worst trial would be the best."""
    check_directions(define(objectives=["val/digit_acc", "val/digit_loss"]))
    with pytest.raises(ConfigError, match="write val/digit_loss: minimize"):
        check_directions(define(objectives={"val/digit_loss": "maximize"}))


def test_more_trials_than_points_are_told(define: Define) -> None:
    space = {"model.optimizer.lr": [1e-3, 1e-2]}
    notes = check(define(space=space, n_trials=5)).notes
    assert any("2 different points, but n_trials is 5" in note for note in notes)


def test_an_enqueued_trial_may_give_loss_weights_in_each_way(define: Define) -> None:
    space = LR | {"loss_weights": {"simplex": ["digit", "thickness", "smoothness"]}}
    for path in ("loss_weights", "model.loss_weights"):
        definition = define(space=space, enqueue=[{path: {"digit": 1.0, "thickness": 1.0}}])
        assert len(first_points(definition, check(definition))) == 2


def test_a_grid_says_how_many_points_it_has_if_n_trials_is_another(define: Define) -> None:
    grid = {"space": {"data.batch_size": [32, 64]}, "sampler": "grid"}
    told = [check(define(n_trials=n, **grid)).notes for n in (1, 2, 3)]
    assert told[1] == ()
    assert "only the first 1 points are trained" in told[0][0]
    assert "1 trials repeat one at random" in told[2][0]
