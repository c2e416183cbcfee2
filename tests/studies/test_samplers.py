"""Samplers and pruners by name."""

from collections.abc import Callable

import optuna
import pytest
from tests.studies.conftest import Define

from multihead.errors import ConfigError
from multihead.studies.budget import Budget, Limits, tell
from multihead.studies.lease import Lease, Outcome
from multihead.studies.pruners import PRUNERS, make_pruner
from multihead.studies.registry import register
from multihead.studies.samplers import (
    SAMPLERS,
    grid,
    make_sampler,
    sampler_notes,
    sampler_of,
    settled,
)
from multihead.studies.space_file import build_space
from multihead.studies.storage import StudyStorage

SPACE = {
    "lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "width": {"low": 8, "high": 64, "log": True},
    "net": ["a", "b"],
    "drop": {"low": 0.0, "high": 0.5, "when": {"net": "a"}},
    "loss_weights": {"simplex": ["digit", "thickness", "smoothness"]},
}
HEADS = dict.fromkeys(("digit", "thickness", "smoothness"))


def value(params: dict[str, float]) -> float:
    return -abs(params["lr"] - 0.01) - abs(params["width"] - 20) / 100


def plain(trial: optuna.Trial) -> float:
    """What a user of Optuna would write."""
    params = {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "width": trial.suggest_int("width", 8, 64, log=True),
    }
    if trial.suggest_categorical("net", ["a", "b"]) == "a":
        trial.suggest_float("drop", 0.0, 0.5)
    for name in ("simplex.digit", "simplex.thickness"):
        trial.suggest_float(name, 0.0, 1.0)
    return value(params)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", ["tpe", "random", "nsga2"])
def test_a_serial_study_suggests_what_a_plain_optuna_script_does(
    name: str, storage: StudyStorage, define: Define
) -> None:
    register(storage, define())
    space = build_space(SPACE, HEADS, {})
    sampler = sampler_of(define(sampler={"name": name, "seed": 7}), space)
    study = optuna.load_study(study_name="search", storage=storage.optuna, sampler=sampler)
    budget = Budget(storage, study, Limits(15, 0, None))
    while isinstance(lease := budget.claim("me"), Lease):
        params = space.suggest(optuna.Trial(study, lease.trial_id))
        outcome = Outcome("COMPLETE", (value(params),))
        lease.decide(storage, outcome)
        tell(study, lease.number, outcome)
    makers: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
        "tpe": optuna.samplers.TPESampler,
        "random": optuna.samplers.RandomSampler,
        "nsga2": optuna.samplers.NSGAIISampler,
    }
    further = {"group": True} if name == "tpe" else {}  # as Optuna has it for conditional spaces
    script = optuna.create_study(direction="maximize", sampler=makers[name](seed=7, **further))
    script.optimize(plain, n_trials=15)
    assert [t.params for t in study.trials] == [t.params for t in script.trials]


def test_a_later_worker_draws_other_numbers() -> None:
    """Otherwise a resumed study repeats its first trials."""
    drawn = []
    for worker in range(2):
        study = optuna.create_study(sampler=make_sampler({"name": "random"}, worker))
        drawn.append(study.ask().suggest_float("x", 0, 1))
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_can_be_made(name: str) -> None:
    make_sampler({"name": name})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "tpa"}, r"did you mean 'tpe'"),
        ({"name": "tpe", "startup": 3}, "refuses its arguments"),
        ({"name": "tpe", "seed": "x"}, "seed"),
    ],
)
def test_a_wrong_sampler_is_named(spec: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_sampler(spec)


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_fits_some_study(name: str, define: Define) -> None:
    arguments = {"threshold": {"lower": 0.1}, "best_after": {"trials": 1}}.get(name, {})
    several = ["val/digit_acc", "val/thickness_acc"] if name == "dominance" else "val/digit_acc"
    pruner = {"name": name, **arguments}
    seeds = 1 if name == "best_after" else 2
    make_pruner(define(pruner=pruner, objectives=several, seeds=seeds))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pruner": "hyperbend"}, "did you mean 'hyperband'"),
        (
            {"pruner": "median", "objectives": ["val/digit_acc", "val/acc"]},
            "choose dominance or none",
        ),
        ({"pruner": "dominance"}, "the study has one"),
        ({"pruner": "wilcoxon"}, "seeds=1"),
        ({"pruner": {"name": "median", "warm": 1}}, "refuses its arguments"),
    ],
)
def test_a_pruner_that_does_not_fit_is_refused_with_the_reason(
    keys: dict[str, object], message: str, define: Define
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_pruner(define(**keys))


def test_a_grid_has_every_point_once() -> None:
    space = build_space({"a": [1, 2], "b": {"low": 0.0, "high": 1.0, "step": 0.5}}, {}, {})
    points = {tuple(point.values()) for point in grid(space)}
    assert points == {(a, b) for a in (1, 2) for b in (0.0, 0.5, 1.0)}


def test_a_grid_has_a_conditional_value_only_where_it_applies() -> None:
    content = {"m": ["a", "b"], "x": [1, 2], "y": {"choices": [3, 4], "when": {"m": "b"}}}
    points = [tuple(point.items()) for point in grid(build_space(content, {}, {}))]
    assert len(set(points)) == len(points) == 2 + 2 * 2
    assert all(("y" in dict(point)) == (dict(point)["m"] == "b") for point in points)


CHOICE = {"m": ["a", "b", "c"]}
CONDITIONAL = {
    **CHOICE,
    "lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "t": [
        {"low": 0.5, "high": 5.0, "when": {"m": "b"}},
        {"low": 1, "high": 9, "when": {"m": "c"}},
    ],
}


@pytest.mark.parametrize("name", [*SAMPLERS, "auto"])
def test_every_sampler_asks_for_what_applies_and_nothing_else(name: str, define: Define) -> None:
    finite = {"lr": [1e-3, 1e-2], "t": {"choices": [1, 2], "when": {"m": ["b", "c"]}}}
    space = build_space(CONDITIONAL | (finite if name == "grid" else {}), {}, {})
    startup = {"n_startup_trials": 2} if name in ("gp", "auto") else {}
    definition = define(sampler={"name": name, **startup})
    study = optuna.create_study(direction="maximize", sampler=sampler_of(definition, space))
    for _ in range(12):
        params = space.suggest(trial := study.ask())
        shared = {"m", "lr"} | ({"t"} if name == "grid" and params["m"] != "a" else set())
        own = set() if name == "grid" or params["m"] == "a" else {f"{params['m']}.t"}
        assert set(params) == trial.params.keys() == shared | own
        study.tell(trial, -abs(params["lr"] - 0.01) - (params["m"] != "b"))


@pytest.mark.parametrize(
    ("content", "keys", "chosen", "why"),
    [
        ({"lr": SPACE["lr"], "width": SPACE["width"]}, {}, "gp", "one objective, no pruner"),
        ({"loss_weights": SPACE["loss_weights"]}, {}, "gp", "one objective, no pruner"),
        (CHOICE, {}, "tpe", "choices"),
        (CONDITIONAL, {}, "tpe", "some parameters have conditions"),
        ({"lr": SPACE["lr"]}, {"pruner": "median"}, "tpe", "does not see pruned"),
        ({"lr": SPACE["lr"]}, {"n_trials": 251}, "tpe", "more than 250"),
        ({"lr": SPACE["lr"]}, {"objectives": ["val/acc", "val/score"]}, "tpe", "several"),
    ],
)
def test_auto_says_which_sampler_it_chose_and_why(
    content: dict[str, object], keys: dict[str, object], chosen: str, why: str, define: Define
) -> None:
    definition = define(sampler={"name": "auto", "seed": 3}, **keys)
    space = build_space(content, HEADS, {})
    spec, reason = settled(definition, space)
    assert spec == {"name": chosen, "seed": 3}
    assert why in reason
    assert sampler_notes(definition, space) == [f"sampler {chosen}: {reason}"]


def test_a_study_without_a_sampler_keeps_tpe(define: Define) -> None:
    space = build_space({"lr": SPACE["lr"]}, {}, {})
    assert settled(define(), space)[0]["name"] == "tpe"
    assert sampler_notes(define(), space) == []


def test_a_process_that_learns_nothing_of_what_a_pruner_stops_is_told(define: Define) -> None:
    definition = define(sampler="gp", pruner="median")
    (note,) = sampler_notes(definition, build_space({"lr": SPACE["lr"]}, {}, {}))
    assert "only from complete trials" in note
    (note,) = sampler_notes(define(sampler="gp"), build_space(CONDITIONAL, {}, {}))
    assert "at random" in note


def test_a_grid_of_a_continuous_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="no finite set"):
        grid(build_space({"a": {"low": 0.0, "high": 1.0}}, {}, {}))
