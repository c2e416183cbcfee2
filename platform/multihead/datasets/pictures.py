"""Read picture files from strangers as bytes [C, H, W], within bounds known before decoding."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multihead.datasets.picture_opening import (
    SIXTEEN_BITS,
    PictureError,
    decoding,
    ignore_advice,
    open_picture,
)
from multihead.errors import DataError
from multihead.text import one_line

Shape = tuple[int, int, int]
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_AS = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}


def picture_shape(path: Path) -> Shape:
    """Return channels, height and width, from the file's header alone.

    Raises:
        DataError: As `read_picture`.
    """
    with _opened(path) as picture:
        return _shape(path, picture)


def read_picture(path: Path, shape: Shape, *, resize: bool = False) -> NDArray[np.uint8]:
    """Read a picture as uint8 [C, H, W]; of an animation the first frame.

    Grey, grey with alpha, RGB and RGBA become 1, 2, 3 and 4 channels; bits become grey, palettes
    and other colour spaces RGB; of 16 bits per pixel the upper 8 stay. EXIF rotation is ignored.

    Args:
        path: A file of any type that Pillow reads, but EPS.
        shape: Channels, height and width that it must have.
        resize: Scale height and width (bicubic, with antialiasing) instead of refusing them.

    Raises:
        DataError: If it is missing, damaged, no picture, beyond 65,535 pixels a side or 64
            million in all, of floating-point pixels, or of another shape.
    """
    channels, height, width = shape
    with _opened(path) as picture:
        found = _shape(path, picture)
        if found[0] != channels or (found != shape and not resize):
            raise DataError(
                f"{_name(path)} is {_text(found)}, but the first picture is {_text(shape)} (height "
                f"x width x channels); make them alike, or scale them with --size HxW."
            )
        try:
            with decoding("is no picture that can be read"):
                eight = _eight_bits(picture)
                if found != shape:
                    eight = eight.resize((width, height), Image.Resampling.BICUBIC)
                pixels = np.asarray(eight, np.uint8)
        except PictureError as error:
            raise DataError(f"{_name(path)} {error}.") from None
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def _opened(path: Path) -> Image.Image:
    if not path.is_file():
        raise DataError(f"{_name(path)} is no file; name pictures relative to the folder.")
    ignore_advice()
    try:
        return open_picture(path)
    except PictureError as error:
        raise DataError(f"{_name(path)} {error}.") from None


def _shape(path: Path, picture: Image.Image) -> Shape:
    width, height = picture.size
    mode = "L" if picture.mode in SIXTEEN_BITS else _AS.get(picture.mode, picture.mode)
    if mode not in _CHANNELS:
        raise DataError(
            f"{_name(path)} has pixels of mode {picture.mode}, which have no fixed range; save it "
            f"with 8 or 16 bits per pixel."
        )
    return _CHANNELS[mode], height, width


def _eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode in SIXTEEN_BITS:
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("its pixels are beyond 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8))
    return picture.convert(_AS[picture.mode]) if picture.mode in _AS else picture


def _name(path: Path) -> str:
    return one_line(str(path))


def _text(shape: Shape) -> str:
    channels, height, width = shape
    return f"{height}x{width}x{channels}"
