"""Samplers by name, seeded so that a serial study suggests what a plain Optuna script would."""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from multihead.errors import ConfigError
from multihead.studies.by_name import check_name, make
from multihead.studies.space import Space

GRID = "grid"
_MOST_POINTS = 1_000_000
# A grid is written into the study as trials that wait; nothing is left to sample then.
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


def make_sampler(spec: Mapping[str, Any], worker: int = 0) -> BaseSampler:
    """Make a sampler.

    Args:
        spec: `name`, `seed` (0 if none) and the arguments of Optuna's class.
        worker: How many workers the study had before this one. The first has the study's seed;
            a later one must not draw the same numbers again.

    Raises:
        ConfigError: For an unknown name or argument.
    """
    arguments = {**spec}
    name, seed = arguments.pop("name"), arguments.pop("seed", 0)
    check_name("sampler", name, SAMPLERS)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"sampler.seed is {seed!r}; give an integer, 0 or more.")
    if worker and name != "qmc":  # points of one sequence, which the workers share
        seed = int(np.random.SeedSequence([seed, worker]).generate_state(1)[0])
    quiet = {"warn_independent_sampling": False} if name in ("cmaes", "gp", "qmc") else {}
    quiet |= {"warn_asynchronous_seeding": False} if name == "qmc" else {}
    return make("sampler", name, _MAKERS[name], seed=seed, **quiet, **arguments)


def grid(space: Space) -> list[dict[str, Any]]:
    """Return every point of a space of choices, integers and stepped floats.

    Raises:
        ConfigError: For a parameter without a finite set of values, or with a condition, and for
            more points than a study may have trials.
    """
    axes: list[list[Any]] = []
    for parameter in space.parameters:
        d = parameter.distribution
        if parameter.when:
            raise ConfigError(f"space.{parameter.name} has a condition, which a grid cannot have.")
        if isinstance(d, CategoricalDistribution):
            axes.append(list(d.choices))
        elif isinstance(d, FloatDistribution) and d.step is None:
            raise ConfigError(
                f"space.{parameter.name} has no finite set of values for a grid; give choices, "
                f"or a step."
            )
        else:
            assert isinstance(d, FloatDistribution | IntDistribution)
            assert d.step is not None
            _check_points((d.high - d.low) // d.step + 1)
            axes.append(np.arange(d.low, d.high + d.step / 2, d.step).tolist())
    _check_points(math.prod(map(len, axes)))
    names = [parameter.name for parameter in space.parameters]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*axes)]


def _check_points(count: float) -> None:
    if count > _MOST_POINTS:
        raise ConfigError(
            f"the grid has {count:,.0f} points or more; a study may have {_MOST_POINTS:,} trials."
        )
