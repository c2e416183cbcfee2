"""Measure colour pictures: hue, brightness, and position and extent of what stands out.

Each measure depends on one picture only, and not on what it shows.

- `brightness`: mean luma, 0 to 255 (ITU-R BT.601, weights 0.299, 0.587 and 0.114).
- `hue`: mean hue, weighted by chroma, 0 to 360 degrees: red 0, green 120, blue 240. It is NaN if
  the colours cancel out to less than 2% of full chroma, as in a grey picture.
- `centre_x`, `centre_y`: mean position of what stands out, from the left and the top, in pixels.
- `extent`: root mean square distance of what stands out from that position, in pixels.

The weight of a pixel is the square of the distance between its colour, smoothed over a pixel,
and the mean colour of the picture. Source: R. Achanta et al., Frequency-tuned Salient Region
Detection, CVPR 2009, equation 4. They use the Lab colour space, this code uses RGB.
"""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from multihead.errors import DataError

UNITS = MappingProxyType(
    {"brightness": "", "hue": "degrees", "centre_x": "px", "centre_y": "px", "extent": "px"}
)
_LUMA = np.array([0.299, 0.587, 0.114])
_LEAST_CHROMA = 0.02 * 255
_SIGMA = 1.0
_BLOCK = 4096
# Measures are rounded, so that machines with another order of sums give the same labels.
_DECIMALS = 2

Values = NDArray[np.float64]


def measure_appearance(images: NDArray[np.uint8]) -> dict[str, Values]:
    """Measure colour pictures; the docstring of the module defines the measures.

    Args:
        images: uint8 [N, 3, H, W] in the order red, green, blue.

    Returns:
        Values [N] by the names in `UNITS`, rounded to 0.01.

    Raises:
        DataError: If the images have another type or shape.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise DataError(
            f"images are {images.dtype} {list(images.shape)}; they must be uint8 [N, 3, H, W]."
        )
    blocks = [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]
    found = [_measured(block) for block in blocks or [images]]
    return {name: np.concatenate([each[name] for each in found]).round(_DECIMALS) for name in UNITS}


def _measured(images: NDArray[np.uint8]) -> dict[str, Values]:
    return {
        "brightness": images.mean(axis=(2, 3)) @ _LUMA,
        "hue": _hue(images),
        **_places(_saliency(images)),
    }


def _hue(images: NDArray[np.uint8]) -> Values:
    red, green, blue = np.moveaxis(images.mean(axis=(2, 3)), 1, 0)
    # The sum of all pixels' chroma, each a vector towards its hue.
    along, across = red - (green + blue) / 2, (green - blue) * (np.sqrt(3) / 2)
    degrees = np.degrees(np.arctan2(across, along)).round(_DECIMALS) % 360
    return np.where(np.hypot(along, across) < _LEAST_CHROMA, np.nan, degrees)


def _saliency(images: NDArray[np.uint8]) -> Values:
    smooth = ndimage.gaussian_filter(images.astype(np.float32), (0, 0, _SIGMA, _SIGMA))
    away = smooth - images.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
    # In a picture of one colour nothing stands out. The addend puts its centre in the middle.
    return np.asarray(np.einsum("nchw,nchw->nhw", away, away) + 1e-3)


def _places(saliency: Values) -> dict[str, Values]:
    height, width = saliency.shape[1:]
    whole = saliency.sum(axis=(1, 2))
    rows, columns = saliency.sum(axis=2), saliency.sum(axis=1)
    y, x = np.arange(height, dtype=float), np.arange(width, dtype=float)
    centre_y, centre_x = rows @ y / whole, columns @ x / whole
    spread = rows @ y**2 / whole - centre_y**2 + columns @ x**2 / whole - centre_x**2
    return {
        "centre_x": centre_x,
        "centre_y": centre_y,
        "extent": np.sqrt(np.maximum(spread, 0)),
    }
