"""Open untrusted picture files, and check their size before decoding."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from multihead.errors import DataError
from multihead.text import one_line

LARGEST_SIDE = 65_535
LARGEST_PIXELS = 1 << 26
LARGEST_FILE = 1 << 29  # bytes; the largest picture with 8 bytes per pixel
SIXTEEN_BITS = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
EIGHT_BITS = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"}
)
_REFUSED = frozenset({"EPS"})  # decoding one starts Ghostscript, which runs the program in it
# Pillow tries its formats in turn, and most read the file to answer. These are tried first.
_COMMON = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG"}
# Errors that decoders raise on damaged or forged bytes.
DAMAGED = (
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


class PictureError(DataError):
    """A picture that cannot be used. The message follows the name, such as `is damaged`."""


class OtherSizeError(PictureError):
    """A picture of another size, although pictures are not resized."""


def open_picture(file: Path | bytes) -> Image.Image:
    """Open a picture of any type that Pillow reads, except EPS, without decoding it.

    Args:
        file: Its path, or its bytes.

    Raises:
        PictureError: If it is not a picture, is damaged, or has more than 65,535 pixels per side
            or 64 million in all.
    """
    content = read_content(file) if isinstance(file, Path) else file
    none = "is not a picture that can be read"
    with decoding(none):
        try:
            picture = Image.open(io.BytesIO(content), formats=_formats(content))
        except UnidentifiedImageError:  # its message names our buffer
            raise PictureError(none) from None
    width, height = picture.size
    if max(width, height) > LARGEST_SIDE or width * height > LARGEST_PIXELS:
        raise PictureError(
            f"is {height} x {width} pixels; at most {LARGEST_SIDE:,} per side and "
            f"{LARGEST_PIXELS:,} in all are read"
        )
    return picture


def _formats(content: bytes) -> list[str]:
    """Return the formats to try, first the ones that the content looks like."""
    Image.init()
    likely = [name for start, name in _COMMON.items() if content.startswith(start)]
    return [*likely, *(name for name in Image.ID if name not in _REFUSED and name not in likely)]


def read_content(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        PictureError: If it is empty, too large or not readable.
    """
    try:
        with path.open("rb") as file:
            # Read the known size, because a read of the limit would allocate the limit.
            size = min(os.fstat(file.fileno()).st_size, LARGEST_FILE)
            content = file.read(size + 1)
            if len(content) > size:  # it grew, or its file system does not know sizes
                content += file.read(LARGEST_FILE + 1 - len(content))
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror or error})") from None
    if not content:
        raise PictureError("is empty")
    if len(content) > LARGEST_FILE:
        raise PictureError(f"has more than {LARGEST_FILE:,} bytes")
    return content


@contextmanager
def decoding(found: str = "is damaged") -> Iterator[None]:
    """Turn the errors of a decoder into a message of one line.

    Args:
        found: Beginning of the message, before the reason.

    Raises:
        PictureError: If the decoder fails.
    """
    try:
        yield
    except DAMAGED as error:
        reason = one_line(str(error))[:150] or type(error).__name__
        raise PictureError(f"{found} ({reason})") from None


def ignore_advice() -> None:
    """Hide Pillow's warnings about single pictures from now on.

    Each picture could cause a different warning. A temporary filter is not possible, because all
    threads share the filters.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def load_decoders() -> None:
    """Load all decoders of Pillow before threads use them."""
    Image.init()
