"""Samplers by name, seeded so that one worker gets the same suggestions as a plain Optuna script.

`auto` chooses a sampler that suits the study; see `settled`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from multihead.errors import ConfigError
from multihead.studies.by_name import check_name, make
from multihead.studies.definition import Definition
from multihead.studies.space import Parameter, Space

GRID, AUTO = "grid", "auto"
_MOST_OF_GP = 250  # trials; with so many, a suggestion of gp already takes seconds
_MOST_POINTS = 1_000_000
# A grid is enqueued in the study as waiting trials. Its sampler draws any trials beyond them.
_MAKERS: dict[str, Callable[..., BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "qmc": optuna.samplers.QMCSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "random": optuna.samplers.RandomSampler,
    GRID: optuna.samplers.RandomSampler,
}
ONE_OBJECTIVE = {"cmaes"}
SAMPLERS = tuple(_MAKERS)
# These samplers draw a parameter at random if not every trial has it.
_FIXED_SPACE = ("gp", "cmaes", "qmc")


def settled(definition: Definition, space: Space) -> tuple[dict[str, Any], str]:
    """Return `name` and arguments of a study's sampler, and the reason for this choice.

    `auto` chooses a Gaussian process if that can use every trial: numbers without conditions, one
    objective, no pruner and at most 250 trials. Otherwise it chooses TPE, which has no such limits.
    """
    spec = dict(definition.sampler)
    check_name("sampler", spec["name"], (AUTO, *SAMPLERS))
    if spec["name"] != AUTO:
        return spec, "the study names it"
    choice = any(isinstance(p.distribution, CategoricalDistribution) for p in space.parameters)
    reasons = {
        "some parameters have conditions": space.is_conditional,
        "the space has choices": choice,
        "there are several objectives": definition.several,
        "a Gaussian process does not see pruned trials": definition.pruner["name"] != "none",
        f"there are more than {_MOST_OF_GP} trials": definition.n_trials > _MOST_OF_GP,
    }
    against = next((reason for reason, holds in reasons.items() if holds), None)
    if against is not None:
        return {**spec, "name": "tpe"}, against
    return {**spec, "name": "gp"}, "numbers without conditions, one objective, no pruner"


def sampler_notes(definition: Definition, space: Space) -> list[str]:
    """Return notes for the user: what `auto` chose, and what the sampler cannot use."""
    spec, why = settled(definition, space)
    name, pruner = spec["name"], definition.pruner["name"]
    notes = [f"sampler {name}: {why}"] if definition.sampler["name"] == AUTO else []
    if name == "gp" and pruner != "none":
        notes.append(
            f"sampler gp learns only from complete trials, so it ignores those that pruner "
            f"{pruner} stops; choose tpe, or pruner none."
        )
    if name in _FIXED_SPACE and space.is_conditional:
        notes.append(
            f"sampler {name} draws parameters with a condition at random; tpe models them."
        )
    return notes


def sampler_of(definition: Definition, space: Space, worker: int = 0) -> BaseSampler:
    """Make the sampler of a study.

    Args:
        definition: The study.
        space: What it searches.
        worker: See `make_sampler`.

    Raises:
        ConfigError: For an unknown name or argument.
    """
    spec, _ = settled(definition, space)
    if spec["name"] == "tpe" and space.is_conditional:
        # Without it, TPE models jointly only the parameters that all trials have.
        spec = {"group": True, **spec}
    return make_sampler(spec, worker)


def make_sampler(spec: Mapping[str, Any], worker: int = 0) -> BaseSampler:
    """Make a sampler.

    Args:
        spec: `name`, `seed` (default 0) and the arguments of Optuna's class.
        worker: How many workers the study had before this one. The first uses the study's seed.
            A later one derives its own seed, so that it does not draw the same numbers again.

    Raises:
        ConfigError: For an unknown name or argument.
    """
    arguments = {**spec}
    name, seed = arguments.pop("name"), arguments.pop("seed", 0)
    check_name("sampler", name, (AUTO, *SAMPLERS))
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"sampler.seed is {seed!r}; give an integer, 0 or more.")
    if worker and name != "qmc":  # workers of qmc share one sequence of points
        seed = int(np.random.SeedSequence([seed, worker]).generate_state(1)[0])
    quiet = {"warn_independent_sampling": False} if name in ("cmaes", "gp", "qmc") else {}
    quiet |= {"warn_asynchronous_seeding": False} if name == "qmc" else {}
    return make("sampler", name, _MAKERS[name], seed=seed, **quiet, **arguments)


def grid(space: Space) -> list[dict[str, Any]]:
    """Return every point of a space of choices, integers and stepped floats.

    A parameter with a condition is only in the points to which it applies.

    Raises:
        ConfigError: If a parameter has no finite set of values, or there are more points than a
            study may have trials.
    """
    points: list[dict[str, Any]] = [{}]
    axes = [_axis(parameter) for parameter in space.parameters]
    always = zip(space.parameters, axes, strict=True)
    # This lower bound is checked first, before the points take memory.
    _check_points(math.prod(len(axis) for parameter, axis in always if not parameter.when))
    for parameter, axis in zip(space.parameters, axes, strict=True):
        applies = [parameter.applies(point) for point in points]
        _check_points(sum(len(axis) if asked else 1 for asked in applies))
        points = [
            {**point, **further}
            for point, asked in zip(points, applies, strict=True)
            for further in ([{parameter.name: value} for value in axis] if asked else [{}])
        ]
    return points


def _axis(parameter: Parameter) -> list[Any]:
    """Return every value of a parameter."""
    d = parameter.distribution
    if isinstance(d, CategoricalDistribution):
        return list(d.choices)
    assert isinstance(d, FloatDistribution | IntDistribution)
    if d.step is None:
        raise ConfigError(
            f"space.{parameter.name} has no finite set of values for a grid; give choices, or a "
            f"step."
        )
    _check_points((d.high - d.low) // d.step + 1)
    return list(np.arange(d.low, d.high + d.step / 2, d.step).tolist())


def _check_points(count: float) -> None:
    if count > _MOST_POINTS:
        raise ConfigError(
            f"the grid has {count:,.0f} points or more; a study may have {_MOST_POINTS:,} trials."
        )
