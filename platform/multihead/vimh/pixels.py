"""Arrange the pixels of a pickle, and warn if their order is probably wrong."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.errors import DataError
from multihead.text import one_line
from multihead.vimh.info import PixelOrder, VIMHInfo

_LOOK = 64  # images
_LOOK_BYTES = 4 << 20
_PLAINLY = 0.8  # largest ratio of the mean differences of neighbours, along both axes


def arrange(
    path: Path, info: VIMHInfo, data: NDArray[np.uint8], order: PixelOrder
) -> NDArray[np.uint8]:
    """Return pixels as images, without a copy.

    Args:
        path: The file, for error messages.
        info: The metadata, with the dimensions and possibly the order.
        data: uint8 [n, H*W*C], or [n, H, W, C] or [n, C, H, W] according to the order.
        order: The order of the pixels if the metadata do not state it.

    Returns:
        uint8 [n, C, H, W], a view.

    Raises:
        DataError: If a 4-d array does not have the shape of this order.

    Warns:
        UserWarning: If the metadata do not state the order and the images are much smoother in the
            other one.
    """
    channels, height, width = info.image_shape
    chosen = info.pixel_order or order
    shape = (height, width, channels) if chosen == "HWC" else (channels, height, width)
    if data.ndim == 4 and data.shape[1:] != shape:
        raise DataError(
            one_line(
                f"{path}: `data` is of shape {list(data.shape)}, which is not [n, *{list(shape)}] "
                f"as the pixel order {chosen} needs."
            )
        )
    flat = data.reshape(len(data), channels * height * width)
    if info.pixel_order is None and data.ndim == 2 and channels > 1:
        other: PixelOrder = "CHW" if chosen == "HWC" else "HWC"
        few = flat[: max(1, min(_LOOK, _LOOK_BYTES // max(1, flat.shape[1])))]
        if _plainly_smoother(_view(few, info, other), _view(few, info, chosen)):
            warnings.warn(
                one_line(
                    f"{path}: the images are read in the pixel order {chosen}, but are much "
                    f"smoother as {other}. Check them, and set pixel_order={other} if that is "
                    f"right."
                ),
                stacklevel=2,
            )
    return _view(flat, info, chosen)


def _view(flat: NDArray[np.uint8], info: VIMHInfo, order: PixelOrder) -> NDArray[np.uint8]:
    channels, height, width = info.image_shape
    if order == "CHW":
        return flat.reshape(len(flat), channels, height, width)
    return flat.reshape(len(flat), height, width, channels).transpose(0, 3, 1, 2)


def _plainly_smoother(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Return whether images `a` [n, C, H, W] are much smoother than `b` along both axes."""
    compared = False
    for axis in (2, 3):
        if a.shape[axis] > 1 and len(a):
            rough = [float(np.abs(np.diff(x.astype(np.int16), axis=axis)).mean()) for x in (a, b)]
            if rough[0] >= _PLAINLY * rough[1]:
                return False
            compared = True
    return compared
