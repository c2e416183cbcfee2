"""Decode bodies of requests to images uint8 [B, H, W, C].

Every decoder checks shape, type and range. An error says in one sentence what is allowed. Memory is
limited by the size of the body and, for compressed pictures, by a number of pixels. Values become
Python objects only if there are few of them.
"""

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from multihead.datasets.preparation import Preparation
from multihead.serving.budget import Share
from multihead.serving.errors import too_large, wrong
from multihead.serving.numbers import Shape, read_numbers, wanted
from multihead.serving.pictures import NAMED, decode_base64

Images = NDArray[np.uint8]
_NUMBERS = ("inputs", "instances")
_KEYS = (*_NUMBERS, "images", "resize")
_SHAPE = re.compile(r"[0-9]{1,9}(,[0-9]{1,9})*", re.ASCII)
_SPARE = 16  # keys and lists of a body in addition to its pictures


def decode_raw(body: bytearray, shape: Shape, stated: str | None) -> Images:
    """Read the pixels of one or more images: row by row, channels last.

    Args:
        body: One byte per number. The images are a view of it.
        shape: H, W, C.
        stated: The header `X-Shape`, such as `32,28,28,1`. If None, the length determines B.

    Raises:
        RequestError: If the body's length or the header does not fit the shape.
    """
    size = math.prod(shape)
    if stated is not None:
        plain = stated.replace(" ", "")
        if not _SHAPE.fullmatch(plain):
            raise wrong(f"X-Shape is {stated[:100]!r}; give numbers such as 1,28,28,1.")
        given = tuple(int(part) for part in plain.split(","))
        if given[1:] != shape or given[0] * size != len(body):
            raise wrong(
                f"X-Shape is {list(given[:9])} and the body has {len(body)} bytes; "
                f"this model takes {wanted(shape)}, one byte per number."
            )
    if len(body) % size or not body:
        raise wrong(
            f"the body has {len(body)} bytes; this model takes {wanted(shape)}, that is a "
            f"multiple of {size} bytes."
        )
    return np.frombuffer(body, np.uint8).reshape(-1, *shape)


def decode_json(
    body: bytes | bytearray,
    shape: Shape,
    max_batch: int,
    memory: Share,
    preparation: Preparation | None = None,
) -> Images:
    """Read `{"inputs": [[[[0, ...]]]]}` or `{"images": ["<base64 of a picture>", ...]}`.

    Args:
        body: JSON. `instances` is an alias of `inputs`. `"resize": true` resizes pictures of
            another size.
        shape: H, W, C.
        max_batch: Largest number of images.
        memory: The memory budget of the request.
        preparation: How training prepared pictures.

    Raises:
        RequestError: If the body is not valid. It names the reason.
    """
    first, last = body.find(b"["), body.rfind(b"]") + 1
    if 0 <= first < last and body.find(b'"', first, last) < 0:
        key, _, _ = _request(body[:first] + b"[]" + body[last:], max_batch)
        if key in _NUMBERS:
            return read_numbers(memoryview(body)[first:last], key, shape, max_batch)
    key, value, resize = _request(body, max_batch)
    if key in _NUMBERS:
        what = "other values than numbers" if isinstance(value, list) else "no list of numbers"
        raise wrong(f"{key} holds {what}; this model takes {wanted(shape)}.")
    _check_pictures(value, max_batch)
    return decode_base64(value, shape, memory, resize=resize, preparation=preparation)


def _request(body: bytes | bytearray, max_batch: int) -> tuple[str, Any, bool]:
    """Return the key of the images, its value, and whether to resize them."""
    if _count(body, b"[") + _count(body, b"{") > _SPARE:
        raise wrong(
            "the body is not JSON of numbers or of pictures: its nested lists hold other values "
            "than numbers."
        )
    if (values := _count(body, b",") + 1) > max_batch + _SPARE:
        raise too_large(f"the body has {values} values; this server takes {max_batch} images.")
    try:
        request = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise wrong(f"the body is not JSON: {error}.") from error
    if not isinstance(request, dict):
        raise wrong('the body is not a JSON object; give {"inputs": [...]} or {"images": [...]}.')
    unknown = sorted(set(request) - set(_KEYS))
    given = [key for key in _KEYS[:3] if key in request]
    if unknown or len(given) != 1:
        found = f"unknown key {unknown[0][:100]!r}" if unknown else f"the keys {given}"
        raise wrong(f"the body has {found}; give inputs (numbers) or images (base64), one of them.")
    twice = [key for key in request if body.count(f'"{key}"'.encode()) > 1]
    if twice:
        raise wrong(f"the body has the key {twice[0]!r} more than once; give it once.")
    resize = request.get("resize", False)
    if not isinstance(resize, bool):
        raise wrong(f"resize is {str(resize)[:100]}; give true or false.")
    return given[0], request[given[0]], resize


def _count(body: bytes | bytearray, character: bytes) -> int:
    """Count a character; `bytes.count` would hold Python's global lock for 20 ms."""
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(character)))


def _check_pictures(pictures: Any, max_batch: int) -> None:
    if not isinstance(pictures, list) or not pictures:
        raise wrong(f"images is not a list of pictures; give base64 of {NAMED} files.")
    if len(pictures) > max_batch:
        raise too_large(f"{len(pictures)} images; this server takes {max_batch} per request.")
