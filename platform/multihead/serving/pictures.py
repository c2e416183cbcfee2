"""PNG and JPEG files to pixels, with a bound on what they may unpack to.

Grey and colour are converted to what the model takes; what is transparent becomes black.
"""

import base64
import binascii
import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from multihead.serving.budget import Share
from multihead.serving.errors import too_large, wrong

# Of all pictures of a request together: a small file can unpack to gigabytes.
MAX_PIXELS = 16_000_000
_PIXEL_BYTES = 20  # while it is read: four bytes each for the file's, with and without transparency
_MODES = {1: "L", 3: "RGB"}
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
# Passes over a JPEG, each as long as the picture is large, in 20 bytes of file; 10 are usual.
_MAX_SCANS = 100
_SCAN = b"\xff\xda"
# What Pillow raises for damaged files, found with a million of them.
_DAMAGED = (OSError, ValueError, SyntaxError, IndexError, EOFError, struct.error, zlib.error)
_HEAD = "base64,"  # ends the head of a data URL
_PNG = b"\x89PNG"
_PIECE = 1 << 20  # characters of base64 decoded at once, for Python's lock is held meanwhile


def decode_base64(
    pictures: list[Any], shape: tuple[int, int, int], memory: Share, *, resize: bool
) -> NDArray[np.uint8]:
    """Return the pictures as uint8 [B, H, W, C].

    Args:
        pictures: Base64 of PNG or JPEG files, with or without the head of a data URL.
        shape: H, W, C of the model.
        memory: What the request may hold; what a picture unpacks to is taken from it meanwhile.
        resize: Whether pictures of another height or width are fitted, or refused.

    Raises:
        RequestError: Naming the picture and what is wrong with it.
    """
    files = [_file(text, number) for number, text in enumerate(pictures)]
    left, decoded = MAX_PIXELS, []
    for number, file in enumerate(files):
        pixels, used = _pixels(file, number, shape, left, memory, resize=resize)
        left -= used
        decoded.append(pixels)
    return np.stack(decoded)


def decode_file(
    file: bytes | bytearray, shape: tuple[int, int, int], memory: Share, *, resize: bool
) -> NDArray[np.uint8]:
    """Return a PNG or JPEG file as uint8 [1, H, W, C]; see `decode_base64`."""
    pixels, _ = _pixels(file, 0, shape, MAX_PIXELS, memory, resize=resize)
    return np.stack([pixels])  # a copy, which torch may write to


def _file(text: Any, number: int) -> bytes:
    if not isinstance(text, str):
        raise wrong(f"picture {number} is not text; give the base64 of a PNG or JPEG file.")
    head = text.find(_HEAD, 0, 100)
    begin = 0 if head < 0 else head + len(_HEAD)
    try:
        pieces = [
            base64.b64decode(text[at : at + _PIECE], validate=True)
            for at in range(begin, len(text), _PIECE)
        ]
    except (binascii.Error, ValueError) as error:
        raise wrong(f"picture {number} is not base64: {error}.") from error
    return b"".join(pieces)


def _pixels(
    file: bytes | bytearray,
    number: int,
    shape: tuple[int, int, int],
    left: int,
    memory: Share,
    *,
    resize: bool,
) -> tuple[NDArray[np.uint8], int]:
    """Return a picture's pixels [H, W, C] and how many pixels its file has."""
    height, width, channels = shape
    if channels not in _MODES:
        raise wrong(f"this model takes {channels} channels, pictures have 1 or 3; send numbers.")
    if file.count(_SCAN) > _MAX_SCANS and not file.startswith(_PNG):
        raise wrong(f"picture {number} is a JPEG of more than {_MAX_SCANS} scans; 10 are usual.")
    try:
        with Image.open(io.BytesIO(file), formats=("PNG", "JPEG")) as picture:
            size = picture.width * picture.height
            if size > left:
                raise too_large(
                    f"picture {number} has {picture.width} x {picture.height} pixels; "
                    f"a request may have {MAX_PIXELS:,} in all."
                )
            if picture.size != (width, height) and not resize:
                raise wrong(
                    f"picture {number} is {picture.width} x {picture.height} (width x height), "
                    f'this model takes {width} x {height}; add "resize": true to have it fitted.'
                )
            with memory.during(size * _PIXEL_BYTES):
                plain = _plain(picture, number, _MODES[channels])
                if plain.size != (width, height):
                    plain = plain.resize((width, height), Image.Resampling.BILINEAR)
                return np.asarray(plain, np.uint8).reshape(shape), size
    except UnidentifiedImageError as error:
        raise wrong(f"picture {number} is not a PNG or JPEG file.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large(f"picture {number} is too large: {error}") from error
    except _DAMAGED as error:
        raise wrong(f"picture {number} is damaged: {error}.") from error


def _plain(picture: Image.Image, number: int, mode: str) -> Image.Image:
    if picture.mode not in _EIGHT_BIT:
        raise wrong(f"picture {number} is of mode {picture.mode}; give 8 bits a channel.")
    if picture.mode in ("P", "PA") and picture.palette is None:
        raise wrong(f"picture {number} is damaged: it has no colours.")
    return _opaque(picture).convert(mode)


def _opaque(picture: Image.Image) -> Image.Image:
    """Return a picture on black where it is transparent."""
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer)
