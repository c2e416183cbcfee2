"""Length, thickness, slant and extent of a stroke, as Morpho-MNIST defines them.

Source: D. C. Castro, J. Tan, B. Kainz, E. Konukoglu and B. Glocker, Morpho-MNIST: Quantitative
Assessment and Diagnostics for Representation Learning, JMLR 20 (2019), section 2, and the
measurements that its authors published.

All measures are taken on the enlarged picture and returned in pixels of the original one.
"""

import numpy as np
from numpy.typing import NDArray
from skimage.transform import pyramid_expand

SCALE = 4
# Share of the ink outside the width, and outside the height, half of it on each side.
_OUTSIDE = 0.02


def enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge a picture [H, W] by a factor of four with cubic splines, then smooth it.

    The smoothing is a Gaussian with a deviation of 2 SCALE / 6 pixels, as in a Gaussian pyramid.
    """
    enlarged = pyramid_expand(image, upscale=SCALE, order=3)
    return np.asarray((255.0 * enlarged).astype(np.uint8))


def ink(enlarged: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return a mask of the pixels [..., H, W] at or above the middle of a picture's range."""
    low = enlarged.min(axis=(-2, -1), keepdims=True).astype(np.float64)
    high = enlarged.max(axis=(-2, -1), keepdims=True)
    return np.asarray(enlarged >= low + (high - low) * 0.5)


def thickness(axis: NDArray[np.bool_], distance: NDArray[np.float64]) -> float:
    """Return twice the mean distance to the background along the medial axis."""
    return float(2 * distance[axis].mean() / SCALE)


def length(axis: NDArray[np.bool_]) -> float:
    """Return the length of all links between neighbours on the medial axis, with diagonals."""
    straight = (axis[:, :-1] & axis[:, 1:]).sum() + (axis[:-1] & axis[1:]).sum()
    diagonal = (axis[:-1, :-1] & axis[1:, 1:]).sum() + (axis[:-1, 1:] & axis[1:, :-1]).sum()
    return float(straight + np.sqrt(2) * diagonal) / SCALE


def posture(enlarged: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Measure the slant of a picture [H, W] and the parallelogram around its ink.

    The slant is the angle whose tangent is `-u11 / u02`, from the central moments of the grey
    values. It is positive if the top leans to the right. The parallelogram has horizontal edges and
    sides of that slant. 1% of the ink is beyond each of them.

    Returns:
        Slant in radians, and width and height of the parallelogram in pixels.
    """
    grey = enlarged.astype(np.float64)
    mass = grey.sum()
    x, y = np.arange(grey.shape[1]), np.arange(grey.shape[0])
    rows, columns = grey.sum(axis=1), grey.sum(axis=0)
    dy, dx = y - (rows @ y) / mass, x - (columns @ x) / mass
    covariance, variance = dy @ grey @ dx, rows @ dy**2
    shear = float(covariance / variance) if variance else 0.0
    # Ink of column x is left of the line through (t, centroid) from x + 1/2 - shear dy < t on.
    line = np.floor(x + 0.5 - shear * dy[:, None]).astype(np.int64) + 1
    last = len(x)
    across = np.bincount(line.clip(0, last).ravel(), grey.ravel(), minlength=last + 1)[:last]
    below = np.concatenate(([0.0], rows[:-1]))
    return (
        float(np.arctan(-shear)),
        _extent(across.cumsum() / mass),
        _extent(below.cumsum() / mass),
    )


def _extent(share: NDArray[np.float64]) -> float:
    """Return the distance between the positions where a rising share is near 0 and near 1."""
    ends = np.interp([_OUTSIDE / 2, 1 - _OUTSIDE / 2], share, np.arange(len(share)))
    return float(ends[1] - ends[0]) / SCALE
