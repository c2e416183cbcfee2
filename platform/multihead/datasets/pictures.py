"""Read picture files from strangers as bytes [C, H, W], within bounds known before decoding."""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multihead.errors import DataError
from multihead.text import one_line

Shape = tuple[int, int, int]
_LARGEST_SIDE = 65_535
_LARGEST_PIXELS = 1 << 26
_REFUSED = {"EPS"}  # decoding one starts Ghostscript, which runs the program in it
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
_SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N", "I"}
# What decoders raise on bytes that are not what they claim.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                eight = _eight_bits(picture)
                if found != shape:
                    eight = eight.resize((width, height), Image.Resampling.BICUBIC)
                pixels = np.asarray(eight, np.uint8)
        except _DAMAGED as error:
            raise _damaged(path, error) from None
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def _opened(path: Path) -> Image.Image:
    if not path.is_file():
        raise DataError(f"{_name(path)} is no file; name pictures relative to the folder.")
    Image.init()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damage, which decoding tells as well
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path, formats=[name for name in Image.ID if name not in _REFUSED])
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def _shape(path: Path, picture: Image.Image) -> Shape:
    width, height = picture.size
    if max(width, height) > _LARGEST_SIDE or width * height > _LARGEST_PIXELS:
        raise DataError(
            f"{_name(path)} is {height} x {width} pixels; at most {_LARGEST_SIDE:,} a side and "
            f"{_LARGEST_PIXELS:,} in all are read."
        )
    mode = "L" if picture.mode in _SIXTEEN_BITS else _AS.get(picture.mode, picture.mode)
    if mode not in _CHANNELS:
        raise DataError(
            f"{_name(path)} has pixels of mode {picture.mode}, which have no fixed range; save it "
            f"with 8 or 16 bits per pixel."
        )
    return _CHANNELS[mode], height, width


def _eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode in _SIXTEEN_BITS:
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("its pixels are beyond 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8))
    return picture.convert(_AS[picture.mode]) if picture.mode in _AS else picture


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{_name(path)} is no picture that can be read ({one_line(str(error))[:150]})."
    )


def _name(path: Path) -> str:
    return one_line(str(path))


def _text(shape: Shape) -> str:
    channels, height, width = shape
    return f"{height}x{width}x{channels}"
