"""Find non-dominated points and their hypervolume. A larger coordinate is better."""

import numpy as np
from numpy.typing import NDArray

from multihead.ablation.paired import Floats

_MOST_POINTS = 1_000
_MOST_SLICES = 20_000


def non_dominated(points: Floats) -> NDArray[np.intp]:
    """Return the indices of the points [n, d] that no other point dominates.

    A point dominates another if it is at least as good in each coordinate and better in one. Equal
    points do not dominate each other.
    """
    least = np.all(points[None, :, :] >= points[:, None, :], axis=2)
    better = np.any(points[None, :, :] > points[:, None, :], axis=2)
    return np.flatnonzero(~np.any(least & better, axis=1))


def hypervolume(points: Floats) -> float:
    """Return the volume of the union of the boxes from 0 to each of the points [n, d].

    The result is exact. The points are cut into slices along the last axis, and each slice has one
    axis less. This computes n^(d - 2) areas. Source: While et al., IEEE Transactions on
    Evolutionary Computation 10, 2006, section 3.

    Args:
        points: The points, [n, d]. A point with a coordinate of 0 or less has no volume.

    Returns:
        The volume; NaN if there are too many points and axes to compute it in seconds.
    """
    axes = points.shape[1]
    points = np.unique(points[(points > 0).all(axis=1)], axis=0)
    if len(points) > _MOST_POINTS:
        return float("nan")
    points = points[non_dominated(points)]
    if len(points) ** max(axes - 2, 0) > _MOST_SLICES:
        return float("nan")
    return _volume(points)


def _volume(points: Floats) -> float:
    if points.shape[1] == 1:
        return float(points.max(initial=0.0))
    points = points[np.argsort(-points[:, -1])]
    depths = points[:, -1] - np.append(points[1:, -1], 0.0)
    if points.shape[1] == 2:  # each slice has the width of its widest box
        return float((depths * np.maximum.accumulate(points[:, 0])).sum())
    slices = ((depth, points[: i + 1, :-1]) for i, depth in enumerate(depths) if depth > 0)
    return float(sum(depth * _volume(inside) for depth, inside in slices))
