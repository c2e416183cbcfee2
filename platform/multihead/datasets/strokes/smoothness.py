"""The smoothness of a stroke: the radius of its curvature.

The medial axis is divided at ends and branch points into paths. A Gaussian of one pixel of the
picture smooths the points along each path. Smoothness is 1 / the root mean square of their
curvature, weighted by length. Sharp corners count more than bends by the same angle. The mean
square curvature is the bending energy of an elastic rod per length. The smoothness of a circle is
its radius.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.strokes.morphometry import SCALE

# A larger radius looks straight: over the 20 pixels of a digit, such an arc departs from a line by
# half a pixel.
STRAIGHT = 100.0
# The distance from the tip of a right angle to the start of its branch is sqrt(2) times the radius.
_CORNER = 1.5
_SIGMA = float(SCALE)
_REACH = 3 * SCALE
_KERNEL = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / _SIGMA) ** 2)
_KERNEL /= _KERNEL.sum()

Points = NDArray[np.float64]
_Path = list[int]


def smoothness(axis: NDArray[np.bool_], distance: NDArray[np.float64]) -> float:
    """Return one over the root mean square curvature of a stroke, at most `STRAIGHT`.

    The medial axis runs into the corners of an outline. So branches with a free end are removed
    first, if they are not longer than the stroke's thickness at their start. Then pixels near a
    free end are removed, if they are nearer than 1.5 times their distance to the background. A
    stroke that is too short to bend, such as a dot, counts as straight.

    Args:
        axis: The medial axis on the enlarged picture, [H, W].
        distance: Distance to the background, in pixels of the enlarged picture, [H, W].

    Returns:
        A radius in pixels of the original picture, above 0.
    """
    strokes = _without_corners(axis, distance)
    places, radius, neighbours = _pixels(strokes, distance)
    run, energy = 0.0, 0.0
    for path in _paths(neighbours):
        closed = path[0] == path[-1] and len(neighbours[path[0]]) == 2
        for _ in range(2):
            path.reverse()
            if path and len(neighbours[path[0]]) == 1:
                del path[: _corner(places[path], radius[path])]
        more, bent = _bending(places[path], closed=closed)
        run, energy = run + more, energy + bent
    if run >= (STRAIGHT * SCALE) ** 2 * energy:
        return STRAIGHT
    return float(np.sqrt(run / energy)) / SCALE


def _without_corners(axis: NDArray[np.bool_], distance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Remove short branches until none is left, as a removal can leave another one."""
    kept = axis.copy()
    while True:
        places, radius, neighbours = _pixels(kept, distance)
        off = []
        for path in _paths(neighbours):
            free, root = sorted((path[0], path[-1]), key=lambda end: len(neighbours[end]))
            branches = len(neighbours[free]) == 1 and len(neighbours[root]) > 2
            if branches and _length(places[path]) <= 2 * radius[root]:
                off += [pixel for pixel in path if pixel != root]
        if not off:
            return kept
        kept[tuple(np.argwhere(kept)[off].T)] = False


def _pixels(
    axis: NDArray[np.bool_], distance: NDArray[np.float64]
) -> tuple[Points, NDArray[np.float64], list[list[int]]]:
    """Return positions [n, 2], distances [n] and neighbours of the pixels of an axis."""
    return np.argwhere(axis).astype(np.float64), distance[axis], _neighbours(axis)


def _neighbours(axis: NDArray[np.bool_]) -> list[list[int]]:
    """Return the linked pixels of each pixel of the axis.

    Diagonal neighbours are linked only if no pixel beside both links them already.
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
    """Divide a graph into paths at its ends and branch points, and then into closed rings."""
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
    """Follow pixels with two neighbours, up to a pixel with another number or to the start."""
    path = [start, step]
    while len(neighbours[path[-1]]) == 2 and path[-1] != start:
        a, b = neighbours[path[-1]]
        path.append(b if a == path[-2] else a)
    return path


def _corner(points: Points, radius: NDArray[np.float64]) -> int:
    """Return the number of points [n, 2] from a free end on that are in a corner of the outline."""
    outside = np.hypot(*(points - points[0]).T) > _CORNER * radius
    return int(outside.argmax()) if outside.any() else len(points)


def _bending(points: Points, *, closed: bool) -> tuple[float, float]:
    """Return the length of a smoothed path [n, 2], and the integral of its squared curvature."""
    if len(points) < 3:
        return _length(points), 0.0
    if closed:
        around = np.pad(points[:-1], ((_REACH, _REACH + 2), (0, 0)), mode="wrap")
    else:
        # Reflected about its ends, so that a straight line stays straight.
        reach = ((_REACH, _REACH), (0, 0))
        around = np.pad(points, reach, mode="reflect", reflect_type="odd")
    y, x = (np.convolve(values, _KERNEL, mode="valid") for values in around.T)
    dy, dx = np.diff(y), np.diff(x)
    cross, dot = dx[:-1] * dy[1:] - dy[:-1] * dx[1:], dx[:-1] * dx[1:] + dy[:-1] * dy[1:]
    steps = np.hypot(dy, dx)
    near = (steps[:-1] + steps[1:]) / 2
    angles = np.minimum(abs(np.arctan2(cross, dot)), near / _SIGMA)
    run = steps[:-1] if closed else steps
    return float(run.sum()), float((angles[near > 0] ** 2 / near[near > 0]).sum())


def _length(points: Points) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())
