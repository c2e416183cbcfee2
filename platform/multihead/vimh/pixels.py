"""The order of pixels in a pickle: stated, chosen, or doubted where pictures contradict it."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.errors import DataError
from multihead.text import one_line
from multihead.vimh.info import PixelOrder, VIMHInfo

_LOOK = 64  # images
_LOOK_BYTES = 4 << 20
_PLAINLY = 0.8  # of the differences between neighbours, both across and down


def arrange(
    path: Path, info: VIMHInfo, data: NDArray[np.uint8], order: PixelOrder
) -> NDArray[np.uint8]:
    """View pixels as images.

    Args:
        path: The file, for messages.
        info: Has the dimensions, and the order if the metadata state it.
        data: uint8 [n, H*W*C], or [n, H, W, C] or [n, C, H, W] as the order says.
        order: That of the pixels where the metadata do not say.

    Returns:
        uint8 [n, C, H, W], a view.

    Raises:
        DataError: If four axes are not in that order.

    Warns:
        UserWarning: Where nothing states the order and the pictures are plainly smoother in the
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
                    f"{path}: the pictures are read in the pixel order {chosen}, but are plainly "
                    f"smoother as {other}; check them, and set pixel_order={other} if that is "
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
    """Compare images [n, C, H, W] by the mean difference of neighbours, along each axis."""
    compared = False
    for axis in (2, 3):
        if a.shape[axis] > 1 and len(a):
            rough = [float(np.abs(np.diff(x.astype(np.int16), axis=axis)).mean()) for x in (a, b)]
            if rough[0] >= _PLAINLY * rough[1]:
                return False
            compared = True
    return compared
