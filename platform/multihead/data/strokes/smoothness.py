"""How smoothly a stroke runs: the radius of its curvature.

The medial axis is cut at ends and branch points into paths, whose points are smoothed along the
path by a Gaussian of one pixel of the picture. Smoothness is one over the root mean square, by
length, of their curvature: sharp corners count for more than bends that turn as far. It is that of
the bending energy of an elastic rod, per length. A circle's is its radius.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multihead.data.strokes.morphometry import SCALE

# A straighter stroke cannot be told from a straight one: over the 20 pixels of a digit it departs
# from a line by half a pixel.
STRAIGHT = 100.0
_SIGMA = float(SCALE)
_REACH = 3 * SCALE
_KERNEL = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / _SIGMA) ** 2)
_KERNEL /= _KERNEL.sum()

Points = NDArray[np.float64]
_Path = list[int]


def smoothness(axis: NDArray[np.bool_], distance: NDArray[np.float64]) -> float:
    """Return one over the root mean square curvature of a stroke, at most `STRAIGHT`.

    A branch with a free end that is no longer than the stroke is thick where the branch begins is
    a corner of the outline, not a stroke, and is left out. What is too short to turn, such as a
    dot, counts as straight.

    Args:
        axis: The medial axis on the enlarged picture, [H, W].
        distance: To the background, in pixels of the enlarged picture, [H, W].

    Returns:
        A radius in pixels of the original picture, above 0.
    """
    places = np.argwhere(axis)
    thick = distance[axis]
    neighbours = _neighbours(axis)
    run, energy = 0.0, 0.0
    for path in _paths(neighbours):
        points = places[path].astype(np.float64)
        free, root = sorted((path[0], path[-1]), key=lambda end: len(neighbours[end]))
        branches = len(neighbours[free]) == 1 and len(neighbours[root]) > 2
        if branches and _length(points) <= 2 * thick[root]:
            continue
        more, bent = _bending(points, closed=_is_closed(path, neighbours))
        run, energy = run + more, energy + bent
    if run >= (STRAIGHT * SCALE) ** 2 * energy:
        return STRAIGHT
    return float(np.sqrt(run / energy)) / SCALE


def _neighbours(axis: NDArray[np.bool_]) -> list[list[int]]:
    """Return, for each pixel of the axis, those that it is linked to.

    Diagonal neighbours are linked only where no pixel beside both links them already.
    """
    number = np.full(np.add(axis.shape, 2), -1)
    number[1:-1, 1:-1][axis] = np.arange(axis.sum())
    at, right, below = number[1:-1, 1:-1], number[1:-1, 2:], number[2:, 1:-1]
    left, right_below, left_below = number[1:-1, :-2], number[2:, 2:], number[2:, :-2]
    free = below < 0
    links = [
        (right, right >= 0),
        (below, below >= 0),
        (right_below, (right_below >= 0) & free & (right < 0)),
        (left_below, (left_below >= 0) & free & (left < 0)),
    ]
    found: list[list[int]] = [[] for _ in range(int(axis.sum()))]
    for other, linked in links:
        both = linked & (at >= 0)
        for a, b in zip(at[both].tolist(), other[both].tolist(), strict=True):
            found[a].append(b)
            found[b].append(a)
    return found


def _paths(neighbours: list[list[int]]) -> Iterator[_Path]:
    """Cut a graph at its ends and branch points; then go around the rings that are left."""
    used: set[int] = set()
    begun: set[tuple[int, int]] = set()
    nodes = [n for n, linked in enumerate(neighbours) if len(linked) != 2]
    rings = [n for n, linked in enumerate(neighbours) if len(linked) == 2]
    for start in nodes + rings:
        if start in used:
            continue
        for step in neighbours[start]:
            if step in used or (start, step) in begun:
                continue
            path = _walk(neighbours, start, step)
            used.update(p for p in path if len(neighbours[p]) == 2)
            begun.add((path[-1], path[-2]))
            yield path


def _walk(neighbours: list[list[int]], start: int, step: int) -> _Path:
    """Follow pixels with two neighbours from a link on, to one with others or to the start."""
    path = [start, step]
    while len(neighbours[path[-1]]) == 2 and path[-1] != start:
        a, b = neighbours[path[-1]]
        path.append(b if a == path[-2] else a)
    return path


def _is_closed(path: _Path, neighbours: list[list[int]]) -> bool:
    return path[0] == path[-1] and len(neighbours[path[0]]) == 2


def _bending(points: Points, *, closed: bool) -> tuple[float, float]:
    """Return the length of a smoothed path [n, 2], and the integral of its squared curvature."""
    if len(points) < 3:
        return _length(points), 0.0
    if closed:
        around = np.pad(points[:-1], ((_REACH, _REACH + 2), (0, 0)), mode="wrap")
    else:
        # Turned about its ends, so that a line stays the line that it is.
        reach = ((_REACH, _REACH), (0, 0))
        around = np.pad(points, reach, mode="reflect", reflect_type="odd")
    y, x = (np.convolve(values, _KERNEL, mode="valid") for values in around.T)
    dy, dx = np.diff(y), np.diff(x)
    cross, dot = dx[:-1] * dy[1:] - dy[:-1] * dx[1:], dx[:-1] * dx[1:] + dy[:-1] * dy[1:]
    steps = np.hypot(dy, dx)
    near = (steps[:-1] + steps[1:]) / 2
    angles = np.arctan2(cross, dot)[near > 0]
    run = steps[:-1] if closed else steps
    return float(run.sum()), float((angles**2 / near[near > 0]).sum())


def _length(points: Points) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())
