"""Decode picture files to pixels, with limits on their decoded size.

The record of a model that was trained on picture files says how to prepare pictures. Then pictures
are prepared as in training. For other models, pictures are converted to grey or colour as the model
needs, and transparent pixels become black.
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

from multihead.datasets.picture_opening import (
    DAMAGED,
    SIXTEEN_BITS,
    OtherSizeError,
    PictureError,
)
from multihead.datasets.preparation import Preparation
from multihead.serving.budget import Share
from multihead.serving.errors import too_large, wrong

# Limit for all pictures of a request together, because a small file can decode to gigabytes.
MAX_PIXELS = 16_000_000
_AT_MOST = f"a request may have {MAX_PIXELS:,} in all."
_PIXEL_BYTES = 20  # memory per pixel while a picture is decoded and converted
# Largest number of scans of a JPEG; 10 are usual. A scan of 20 bytes decodes the whole picture.
_MAX_SCANS = 100
_SCAN = b"\xff\xda"
_HEAD = "base64,"  # end of a data URL's prefix
_RUN_LENGTHS = (b"\1\0\0\0", b"\2\0\0\0")  # values of a BMP's compression field
_JPEG = b"\xff\xd8"
# Allowed formats. Tiles of a TIFF may claim gigabytes beyond its size. Pillow needs minutes for the
# comments of a GIF, and reads a run-length BMP byte by byte in Python.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
TYPES = frozenset(f"image/{name.lower()}" for name in FORMATS)
NAMED = "PNG, JPEG, WebP or BMP"
# Memory per pixel: the WebP decoder allocates two RGBA pictures when a file is opened, and returns
# a third one.
_WEBP_BYTES = 12
_PIECE = 1 << 20  # characters of base64 decoded together; decoding holds Python's global lock


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
        pictures: Base64 of files of `FORMATS`, with or without the prefix of a data URL.
        shape: H, W, C of the model.
        memory: The memory budget of the request; decoding takes from it.
        resize: Whether to resize pictures of another size (true) or refuse them (false), if the
            model has no record of its preparation.
        preparation: How training prepared pictures.

    Raises:
        RequestError: If a picture cannot be used. It names the picture and the reason.
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
    """Return picture files of `FORMATS` as uint8 [B, H, W, C]; see `decode_base64`."""
    left, decoded = MAX_PIXELS, []
    for number, file in enumerate(files):
        pixels, used = _pixels(file, number, shape, left, memory, preparation, resize=resize)
        left -= used
        decoded.append(pixels)
    return np.stack(decoded)  # a copy, because torch needs a writable array


def decode_file(
    file: bytes | bytearray,
    shape: tuple[int, int, int],
    memory: Share,
    *,
    resize: bool,
    preparation: Preparation | None = None,
) -> NDArray[np.uint8]:
    """Return a picture file of `FORMATS` as uint8 [1, H, W, C]; see `decode_base64`."""
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
    """Return a picture's pixels [H, W, C] and the number of pixels in its file."""
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
                _check_range(picture, number, prepared.deepest)
                return prepared.pixels(picture).transpose(1, 2, 0), size
    except UnidentifiedImageError as error:
        raise wrong(f"picture {number} is not a {NAMED} file; save it as PNG.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large(f"picture {number} is too large: {error}") from error
    except OtherSizeError as error:
        raise wrong(
            f"picture {number} is {stored[0]} x {stored[1]} (width x height), but "
            f'this model takes {width} x {height}; add "resize": true to resize it.'
        ) from error
    except PictureError as error:
        raise wrong(f"picture {number} {error}.") from error
    except DAMAGED as error:
        raise wrong(f"picture {number} is damaged: {error}.") from error


def _without_record(shape: tuple[int, int, int]) -> Preparation:
    """Return the preparation for a model that has no record of it.

    Such a model was trained on arrays of pixels, or by a release that did not record it.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise wrong(
            f"this model takes {channels} channels, but pictures have 1 or 3; send numbers."
        )
    return Preparation(channels, (height, width), ground="black", upright=False, draft=False)


def _check_range(picture: Image.Image, number: int, deepest: int | None) -> None:
    """Refuse a 16-bit picture whose largest values would become white without a word."""
    if deepest is None or picture.mode not in SIXTEEN_BITS:
        return
    largest = int(np.asarray(picture).max())
    if largest > deepest:
        raise wrong(
            f"picture {number} has values up to {largest:,}, but this model takes 0 to "
            f"{deepest:,}, the range of its training; scale the picture to that range."
        )


def _check_effort(file: bytes | bytearray, number: int) -> None:
    """Refuse small files that take long to decode."""
    if file.startswith(_JPEG) and file.count(_SCAN) > _MAX_SCANS:
        raise wrong(f"picture {number} is a JPEG of more than {_MAX_SCANS} scans; 10 are usual.")
    if file[:2] == b"BM" and file[30:34] in _RUN_LENGTHS:
        raise wrong(f"picture {number} is a run-length encoded BMP; save it without compression.")


def _webp_pixels(file: bytes | bytearray) -> int:
    """Return the number of pixels in a WebP file's header; 0 for another format.

    The header is checked first because the decoder allocates memory when it opens a file. Source:
    RFC 9649, sections 2.5 to 2.7.
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
