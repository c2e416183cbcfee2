"""Count the different points of a space, to warn if a study has more trials than points."""

import math
from collections.abc import Sequence

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from multihead.studies.definition import Definition
from multihead.studies.samplers import GRID, grid
from multihead.studies.space import Space


def point_notes(definition: Definition, space: Space) -> list[str]:
    """Return a note if there are more trials than points, or fewer than a grid has.

    Args:
        definition: The study.
        space: What it searches.
    """
    if definition.sampler["name"] == GRID:
        return _grid_notes(definition.n_trials, len(grid(space)))
    points = most_points([parameter.distribution for parameter in space.parameters])
    if points is None or points >= definition.n_trials:
        return []
    return [
        f"the space has {points} different points, but n_trials is {definition.n_trials}: "
        f"{definition.n_trials - points} or more trials repeat an earlier one, with the same "
        f"result; n_trials={points} sampler=grid trains each point once"
    ]


def _grid_notes(trials: int, points: int) -> list[str]:
    if trials == points:
        return []
    rest = (
        f"only the first {trials} points are trained"
        if trials < points
        else f"after its points, {trials - points} trials repeat one at random, with the same "
        f"result"
    )
    return [
        f"the grid has {points} points, but n_trials is {trials}: {rest}; set n_trials={points}"
    ]


def most_points(distributions: Sequence[BaseDistribution]) -> int | None:
    """Return the largest possible number of different points, or None if it is infinite."""
    sizes = [_size(each) for each in distributions]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def _size(distribution: BaseDistribution) -> int | None:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    if isinstance(distribution, FloatDistribution):
        if distribution.low == distribution.high:
            return 1
        if distribution.step is not None:
            return round((distribution.high - distribution.low) / distribution.step) + 1
    return None
