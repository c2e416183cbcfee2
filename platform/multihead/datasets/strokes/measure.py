"""Measure the strokes in pictures of handwritten characters."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.datasets.strokes import morphometry
from multihead.datasets.strokes.morphometry import SCALE
from multihead.datasets.strokes.skeleton import medial_axes
from multihead.datasets.strokes.smoothness import smoothness
from multihead.errors import DataError

UNITS = {
    "thickness": "px",
    "length": "px",
    "slant": "rad",
    "width": "px",
    "height": "px",
    "smoothness": "px",
}
COLUMNS = tuple(UNITS)
_BLOCK_PIXELS = 2 << 20  # pixels of enlarged pictures per block


def measure_strokes(images: NDArray[np.uint8]) -> pd.DataFrame:
    """Measure the strokes in pictures, bright on dark.

    Thickness, length, slant, width and height are those of Morpho-MNIST (see
    `multihead.datasets.strokes.morphometry`). `multihead.datasets.strokes.smoothness` defines
    smoothness. The measures of a picture depend only on that picture.

    Args:
        images: uint8 [N, H, W].

    Returns:
        A row per picture with the columns thickness, length, slant, width, height, smoothness. The
        slant is in radians, the others are in pixels. A picture without a stroke, whose pixels are
        nearly equal, has NaN.

    Raises:
        DataError: If the images have another type or shape.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
        raise DataError(
            f"images are {images.dtype} {list(images.shape)}; they must be uint8 [N, H, W]."
        )
    values = np.full((len(images), len(COLUMNS)), np.nan)
    rows = max(1, _BLOCK_PIXELS // (SCALE**2 * images[:1].size)) if len(images) else 1
    for start in range(0, len(images), rows):
        for index, row in _measure_block(images[start : start + rows]):
            values[start + index] = row
    return pd.DataFrame(values, columns=list(COLUMNS))


def _measure_block(images: NDArray[np.uint8]) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Yield the index and the measures of each picture [n, H, W] with a stroke."""
    enlarged = np.stack([morphometry.enlarge(image) for image in images])
    written = np.flatnonzero(_varies(images) & _varies(enlarged))
    enlarged = enlarged[written]
    axes, distances = medial_axes(morphometry.ink(enlarged))
    for index, grey, axis, distance in zip(written, enlarged, axes, distances, strict=True):
        slant, width, height = morphometry.posture(grey)
        yield (
            int(index),
            (
                morphometry.thickness(axis, distance),
                morphometry.length(axis),
                slant,
                width,
                height,
                smoothness(axis, distance),
            ),
        )


def _varies(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(images.min(axis=(1, 2)) < images.max(axis=(1, 2)))
