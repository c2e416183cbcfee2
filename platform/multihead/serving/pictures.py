"""Files of pictures to pixels, with a bound on what they may unpack to.

A model that was trained on pictures' files says how; its pictures become what they were in
training. For others, grey and colour are converted to what the model takes, and what is
transparent becomes black.
"""

import base64
import binascii
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from multihead.datasets.picture_opening import DAMAGED, OtherSizeError, PictureError
from multihead.datasets.preparation import Preparation
from multihead.serving.budget import Share
from multihead.serving.errors import too_large, wrong

# Of all pictures of a request together: a small file can unpack to gigabytes.
MAX_PIXELS = 16_000_000
_AT_MOST = f"a request may have {MAX_PIXELS:,} in all."
_PIXEL_BYTES = 20  # while it is read: four bytes each for the file's, with and without transparency
# Passes over a JPEG, each as long as the picture is large, in 20 bytes of file; 10 are usual.
_MAX_SCANS = 100
_SCAN = b"\xff\xda"
_HEAD = "base64,"  # ends the head of a data URL
_RUN_LENGTHS = (b"\1\0\0\0", b"\2\0\0\0")  # of a BMP's compression
_JPEG = b"\xff\xd8"
# What is decoded. Of a TIFF, tiles may claim gigabytes that its size does not tell; Pillow takes
# minutes over the comments of a GIF, and reads a BMP of run lengths byte by byte in Python.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
TYPES = frozenset(f"image/{name.lower()}" for name in FORMATS)
NAMED = "PNG, JPEG, WebP or BMP"
# The decoder of WebP holds two pictures with transparency from the moment a file is opened, and
# gives out a third.
_WEBP_BYTES = 12
_PIECE = 1 << 20  # characters of base64 decoded at once, for Python's lock is held meanwhile


def decode_base64(
    pictures: list[Any],
    shape: tuple[int, int, int],
    memory: Share,
    *,
    resize: bool,
    preparation: Preparation | None = None,
) -> NDArray[np.uint8]:
    """Return the pictures as uint8 [B, H, W, C].

    Args:
        pictures: Base64 of files of `FORMATS`, with or without the head of a data URL.
        shape: H, W, C of the model.
        memory: What the request may hold; what a picture unpacks to is taken from it meanwhile.
        resize: Whether pictures of another height or width are fitted, or refused, where the
            model's training does not say.
        preparation: What its training did to pictures.

    Raises:
        RequestError: Naming the picture and what is wrong with it.
    """
    files = [_file(text, number) for number, text in enumerate(pictures)]
    return decode_files(files, shape, memory, resize=resize, preparation=preparation)


def decode_files(
    files: Sequence[bytes | bytearray],
    shape: tuple[int, int, int],
    memory: Share,
    *,
    resize: bool,
    preparation: Preparation | None = None,
) -> NDArray[np.uint8]:
    """Return files of `FORMATS` as uint8 [B, H, W, C]; see `decode_base64`."""
    left, decoded = MAX_PIXELS, []
    for number, file in enumerate(files):
        pixels, used = _pixels(file, number, shape, left, memory, preparation, resize=resize)
        left -= used
        decoded.append(pixels)
    return np.stack(decoded)  # a copy, which torch may write to


def decode_file(
    file: bytes | bytearray,
    shape: tuple[int, int, int],
    memory: Share,
    *,
    resize: bool,
    preparation: Preparation | None = None,
) -> NDArray[np.uint8]:
    """Return a file of `FORMATS` as uint8 [1, H, W, C]; see `decode_base64`."""
    return decode_files([file], shape, memory, resize=resize, preparation=preparation)


def _file(text: Any, number: int) -> bytes:
    if not isinstance(text, str):
        raise wrong(f"picture {number} is not text; give the base64 of a {NAMED} file.")
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
    preparation: Preparation | None,
    *,
    resize: bool,
) -> tuple[NDArray[np.uint8], int]:
    """Return a picture's pixels [H, W, C] and how many pixels its file has."""
    height, width, _ = shape
    prepared = _without_record(shape) if preparation is None else preparation
    if resize and prepared.resize is None:
        prepared = replace(prepared, resize="stretch")
    _check_effort(file, number)
    claimed = _webp_pixels(file)
    if claimed > left:
        raise too_large(f"picture {number} has {claimed:,} pixels; {_AT_MOST}")
    try:
        with (
            memory.during(claimed * _WEBP_BYTES),
            Image.open(io.BytesIO(file), formats=FORMATS) as picture,
        ):
            size = picture.width * picture.height
            if size > left:
                raise too_large(
                    f"picture {number} has {picture.width} x {picture.height} pixels; {_AT_MOST}"
                )
            stored = picture.size
            with memory.during(size * _PIXEL_BYTES):
                return prepared.pixels(picture).transpose(1, 2, 0), size
    except UnidentifiedImageError as error:
        raise wrong(f"picture {number} is not a {NAMED} file.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large(f"picture {number} is too large: {error}") from error
    except OtherSizeError as error:
        raise wrong(
            f"picture {number} is {stored[0]} x {stored[1]} (width x height), "
            f'this model takes {width} x {height}; add "resize": true to have it fitted.'
        ) from error
    except PictureError as error:
        raise wrong(f"picture {number} {error}.") from error
    except DAMAGED as error:
        raise wrong(f"picture {number} is damaged: {error}.") from error


def _without_record(shape: tuple[int, int, int]) -> Preparation:
    """Return what is done for a model that does not say what its training did.

    Such models were trained on pixels, or before it was recorded.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise wrong(f"this model takes {channels} channels, pictures have 1 or 3; send numbers.")
    return Preparation(channels, (height, width), ground="black", upright=False, draft=False)


def _check_effort(file: bytes | bytearray, number: int) -> None:
    """Refuse what would be decoded for long though it is small."""
    if file.startswith(_JPEG) and file.count(_SCAN) > _MAX_SCANS:
        raise wrong(f"picture {number} is a JPEG of more than {_MAX_SCANS} scans; 10 are usual.")
    if file[:2] == b"BM" and file[30:34] in _RUN_LENGTHS:
        raise wrong(f"picture {number} is a BMP of run lengths; save it without compression.")


def _webp_pixels(file: bytes | bytearray) -> int:
    """Return how many pixels a WebP file says it has, before its decoder takes memory for them.

    0 for another format. Source: RFC 9649, sections 2.5 to 2.7.
    """
    if file[:4] != b"RIFF" or file[8:12] != b"WEBP":
        return 0
    kind, head = bytes(file[12:16]), bytes(file[20:30])
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (4, 7))
    elif kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return width * height
