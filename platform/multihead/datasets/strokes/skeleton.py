"""Medial axes of many shapes at once.

scikit-image rebuilds the tables of its medial axis in every call, which takes longer than the axis
of a digit. So one call processes a stack of shapes with a row between them. Each result is the same
as for the shape alone.
"""

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import medial_axis

Shapes = NDArray[np.bool_]
Distances = NDArray[np.float64]
_SEED = 0


def medial_axes(shapes: Shapes) -> tuple[Shapes, Distances]:
    """Return the medial axis of each shape and the distance of its pixels to the background.

    Ties in the order of removing pixels are broken at random with a fixed seed. Equal shapes have
    equal axes, whatever they are stacked with.

    Args:
        shapes: True inside, [N, H, W].

    Returns:
        The axes [N, H, W], and Euclidean distances in pixels [N, H, W].
    """
    axes, distances = np.zeros_like(shapes), np.zeros(shapes.shape)
    # Pixels beyond the edge of a picture are not background, so padding must not add any.
    inner = np.flatnonzero(~_touches_edge(shapes))
    for index in np.setdiff1d(np.arange(len(shapes)), inner):
        axes[index], distances[index] = medial_axis(shapes[index], return_distance=True, rng=_SEED)
    if len(inner):
        axes[inner], distances[inner] = _stacked(shapes[inner])
    return axes, distances


def _stacked(shapes: Shapes) -> tuple[Shapes, Distances]:
    count, height, width = shapes.shape
    sizes = shapes.sum(axis=(1, 2))
    axis, distance = medial_axis(
        np.pad(shapes, ((0, 0), (0, 1), (0, 0))).reshape(count * (height + 1), width),
        return_distance=True,
        rng=_AsAlone(sizes),
    )
    shape = (count, height + 1, width)
    return axis.reshape(shape)[:, :height], distance.reshape(shape)[:, :height]


class _AsAlone(np.random.Generator):
    """Permute the pixels of each of several shapes as if it were the only one.

    Args:
        sizes: Number of pixels of each shape, [N].
    """

    def __init__(self, sizes: NDArray[np.int64]) -> None:
        super().__init__(np.random.PCG64(_SEED))
        self._sizes = sizes

    def permutation(self, x: object, axis: int = 0) -> NDArray[np.int64]:
        """Return the order within each shape, int64 [sum of the sizes]."""
        del x, axis
        parts = [np.random.default_rng(_SEED).permutation(size) for size in self._sizes]
        return np.concatenate(parts)


def _touches_edge(shapes: Shapes) -> Shapes:
    rows, columns = shapes[:, [0, -1]], shapes[:, :, [0, -1]]
    return np.asarray(rows.any(axis=(1, 2)) | columns.any(axis=(1, 2)))
