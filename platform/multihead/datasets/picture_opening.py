"""Open picture files from strangers, within bounds that are known before anything is decoded."""

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
LARGEST_FILE = 1 << 29  # bytes; a picture of the largest size with 8 bytes a pixel
SIXTEEN_BITS = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
EIGHT_BITS = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"}
)
_REFUSED = frozenset({"EPS"})  # decoding one starts Ghostscript, which runs the program in it
# Pillow asks its formats by name, and most answer after they began to read. These are asked first.
_COMMON = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG"}
# What decoders raise on bytes that are not what they claim.
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
    """A picture that cannot be used; the message goes on after its name, as in `is damaged`."""


class OtherSizeError(PictureError):
    """A picture of another size than is wanted, where none are fitted."""


def open_picture(file: Path | bytes) -> Image.Image:
    """Open a picture of any type that Pillow reads, but EPS; nothing is decoded yet.

    Args:
        file: Its path, or its content.

    Raises:
        PictureError: If it is no picture, damaged, or beyond 65,535 pixels a side or 64 million
            in all.
    """
    content = read_content(file) if isinstance(file, Path) else file
    none = "is no picture that can be read"
    with decoding(none):
        try:
            picture = Image.open(io.BytesIO(content), formats=_formats(content))
        except UnidentifiedImageError:  # its message names our buffer
            raise PictureError(none) from None
    width, height = picture.size
    if max(width, height) > LARGEST_SIDE or width * height > LARGEST_PIXELS:
        raise PictureError(
            f"is {height} x {width} pixels; at most {LARGEST_SIDE:,} a side and "
            f"{LARGEST_PIXELS:,} in all are read"
        )
    return picture


def _formats(content: bytes) -> list[str]:
    """Return the formats that may be tried, beginning with what the content looks like."""
    Image.init()
    likely = [name for start, name in _COMMON.items() if content.startswith(start)]
    return [*likely, *(name for name in Image.ID if name not in _REFUSED and name not in likely)]


def read_content(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        PictureError: If it is empty, too large or cannot be read.
    """
    try:
        with path.open("rb") as file:
            # As much as there is: asking for the limit would reserve it each time.
            size = min(os.fstat(file.fileno()).st_size, LARGEST_FILE)
            content = file.read(size + 1)
            if len(content) > size:  # it grew, or its system does not know sizes
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
    """Say in one line what a decoder found wrong.

    Args:
        found: What is then said of the picture, before the reason.

    Raises:
        PictureError: For what is damaged.
    """
    try:
        yield
    except DAMAGED as error:
        reason = one_line(str(error))[:150] or type(error).__name__
        raise PictureError(f"{found} ({reason})") from None


def ignore_advice() -> None:
    """Keep Pillow's remarks on single pictures from the terminal, from now on.

    They have as many texts as there are pictures. Filters for a time only would not do: they are
    those of all threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def load_decoders() -> None:
    """Load all of Pillow's decoders, before threads ask for them."""
    Image.init()
