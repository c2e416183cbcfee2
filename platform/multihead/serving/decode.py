"""Bodies of requests to images uint8 [B, H, W, C], and nothing else.

Every way checks shape, type and range, and says in one sentence what is allowed. The memory used
is bounded by the size of the body and, for compressed pictures, by a number of pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from multihead.serving.errors import too_large, wrong
from multihead.serving.pictures import decode_base64

Images = NDArray[np.uint8]
_KEYS = ("inputs", "instances", "images", "resize")


def decode_raw(body: bytes, shape: tuple[int, int, int], stated: str | None) -> Images:
    """Read the pixels of one or more images, row by row, channels last.

    Args:
        body: As many bytes as the images have numbers.
        shape: H, W, C.
        stated: The header `X-Shape`, such as `32,28,28,1`, or None to derive B from the length.

    Raises:
        RequestError: If the body is of another length.
    """
    size = int(np.prod(shape))
    if stated is not None:
        try:
            given = tuple(int(part) for part in stated.split(","))
        except ValueError as error:
            raise wrong(f"X-Shape is {stated!r}; give numbers such as 1,28,28,1.") from error
        if given[1:] != shape or given[0] * size != len(body):
            raise wrong(
                f"X-Shape is {list(given)} and the body has {len(body)} bytes; "
                f"this model takes {_wanted(shape)}, a byte per number."
            )
    if len(body) % size or not body:
        raise wrong(
            f"the body has {len(body)} bytes; this model takes {_wanted(shape)}, that is a "
            f"multiple of {size} bytes."
        )
    return np.frombuffer(bytearray(body), np.uint8).reshape(-1, *shape)


def decode_json(body: bytes, shape: tuple[int, int, int], max_batch: int) -> Images:
    """Read `{"inputs": [[[[0, ...]]]]}` or `{"images": ["<base64 of a PNG or JPEG>", ...]}`.

    Args:
        body: JSON; `instances` is another name of `inputs`, and `"resize": true` fits pictures
            of another size.
        shape: H, W, C.
        max_batch: Largest number of images.

    Raises:
        RequestError: Saying what is wrong.
    """
    try:
        request = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise wrong(f"the body is not JSON: {error}.") from error
    if not isinstance(request, dict):
        raise wrong('the body is not a JSON object; give {"inputs": [...]} or {"images": [...]}.')
    unknown = sorted(set(request) - set(_KEYS))
    given = [key for key in _KEYS[:3] if key in request]
    if unknown or len(given) != 1:
        found = f"unknown key {unknown[0]!r}" if unknown else f"the keys {given}"
        raise wrong(f"the body has {found}; give inputs (numbers) or images (base64), one of them.")
    key = given[0]
    if key != "images":
        return _numbers(request[key], key, shape)
    resize = request.get("resize", False)
    if not isinstance(resize, bool):
        raise wrong(f"resize is {resize!r}; give true or false.")
    return _pictures(request[key], shape, max_batch, resize=resize)


def _numbers(values: Any, key: str, shape: tuple[int, int, int]) -> Images:
    try:
        found = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise wrong(f"{key} is ragged; this model takes {_wanted(shape)}.") from error
    if found.ndim != 4 or found.shape[1:] != shape or not len(found):
        raise wrong(f"{key} has shape {list(found.shape)}; this model takes {_wanted(shape)}.")
    if found.dtype.kind not in "iuf":
        raise wrong(f"{key} holds something else than numbers; pixels are 0 to 255.")
    low, high = found.min(), found.max()
    if not (low >= 0 and high <= 255):
        raise wrong(f"{key} holds numbers from {low} to {high}; pixels are 0 to 255.")
    pixels = found.astype(np.uint8)
    if found.dtype.kind == "f" and not np.array_equal(pixels, found):
        raise wrong(f"{key} holds fractions; pixels are whole numbers from 0 to 255.")
    return pixels


def _pictures(
    pictures: Any, shape: tuple[int, int, int], max_batch: int, *, resize: bool
) -> Images:
    if not isinstance(pictures, list) or not pictures:
        raise wrong("images is not a list of pictures; give base64 of PNG or JPEG files.")
    if len(pictures) > max_batch:
        raise too_large(f"{len(pictures)} images; this server takes {max_batch} in a request.")
    return decode_base64(pictures, shape, resize=resize)


def _wanted(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    return f"uint8 [B, {height}, {width}, {channels}]"
