"""Parse nested JSON lists of numbers to pixels, without a Python object per list or number.

Python objects would take up to 30 bytes of memory per byte of `[],[],[],...`, and parsing would
hold Python's global lock. Here numpy parses the text in windows. The expected structure of B images
is known, so it is only compared. Most numbers have one to three digits.
"""

import time
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from multihead.serving.errors import too_large, wrong

Bytes = NDArray[np.uint8]
Shape = tuple[int, int, int]

_WINDOW = 65_536
_LONGEST = 40  # characters of a number; Python writes a float with at most 25
_MOST_LEVELS = 8  # levels of lists whose sizes an error message names
_SPACE, _COMMA, _OPEN, _CLOSE, _NUMBER = b" ,[]0"
_OTHER = 0
# The token type of each character.
_KINDS = np.full(256, _OTHER, np.uint8)
_KINDS[list(b" \t\r\n")] = _SPACE
_KINDS[list(b"0123456789.eE+-")] = _NUMBER
for _kind in (_COMMA, _OPEN, _CLOSE):
    _KINDS[_kind] = _kind


def read_numbers(text: bytes | bytearray | memoryview, name: str, shape: Shape, most: int) -> Bytes:
    """Return the images of a text such as `[[[[0], [255]]]]`.

    It uses at most 4 bytes of memory per byte of the text, in addition to the text.

    Args:
        text: JSON from the first bracket to the last, without strings.
        name: The key in the request, for error messages.
        shape: H, W, C.
        most: Largest number of images.

    Returns:
        uint8 [B, H, W, C].

    Raises:
        RequestError: If the structure is wrong, or a number is not an integer from 0 to 255.
    """
    chars = np.frombuffer(text, np.uint8)
    skeleton = np.empty(len(chars), np.uint8)  # the text without spaces, each number as one 0
    pixels: list[Bytes] = []
    used = start = 0
    while start < len(chars):
        began = time.perf_counter()
        end = _window_end(chars, start, name)
        window = chars[start:end]
        kinds = _KINDS[window]
        if not kinds.all():
            raise wrong(f"{name} holds other values than numbers; pixels are 0 to 255.")
        number = kinds == _NUMBER
        first = number.copy()
        first[1:] &= ~number[:-1]
        tokens = kinds[(kinds != _SPACE) & (first | ~number)]
        skeleton[used : used + len(tokens)] = tokens
        used += len(tokens)
        pixels.append(_pixels(window, number, first, name))
        start = end
        if start < len(chars):  # a long text leaves half of the time to other threads
            time.sleep(time.perf_counter() - began)
    count = _images(skeleton[:used], shape)
    if count is None:
        raise wrong(f"{name} {_found(skeleton[:used])}; this model takes {wanted(shape)}.")
    if count > most:
        raise too_large(f"{count} images; this server takes {most} per request.")
    return np.concatenate(pixels).reshape(count, *shape)


def wanted(shape: Shape) -> str:
    """Return a text with the type and shape that a model takes."""
    height, width, channels = shape
    return f"uint8 [B, {height}, {width}, {channels}]"


def _window_end(chars: Bytes, start: int, name: str) -> int:
    """Return the end of a window, not inside a number."""
    end = min(start + _WINDOW, len(chars))
    longest = min(end + _LONGEST, len(chars))
    while end < longest and _KINDS[chars[end]] == _NUMBER:
        end += 1
    if end == longest < len(chars):
        raise _too_long(name)
    return end


def _pixels(window: Bytes, number: NDArray[np.bool_], first: NDArray[np.bool_], name: str) -> Bytes:
    """Return the numbers of a window.

    `number` marks characters of numbers, and `first` the first character of each number.
    """
    starts = np.flatnonzero(first)
    if not len(starts):
        return np.empty(0, np.uint8)
    last = number.copy()
    last[:-1] &= ~number[1:]
    lengths = np.flatnonzero(last) + 1 - starts
    if lengths.max() > _LONGEST:
        raise _too_long(name)
    digits = window - ord("0")  # more than 9 if the character is not a digit
    if lengths.max() > 3 or (digits[number] > 9).any():
        return _any_numbers(window, number, name)
    if (digits[starts[lengths > 1]] == 0).any():
        raise wrong("the body is not JSON: a number begins with a zero.")
    values = digits[starts].astype(np.uint16)
    for place in (1, 2):
        longer = lengths > place
        values[longer] = values[longer] * 10 + digits[starts[longer] + place]
    return _checked(values, name)


def _any_numbers(window: Bytes, number: NDArray[np.bool_], name: str) -> Bytes:
    """Return the numbers of a window that may have points, exponents or signs."""
    tokens = np.where(number, window, _SPACE).astype(np.uint8).tobytes().split()
    try:
        values = from_json(b"[%b]" % b",".join(tokens))
    except ValueError as error:
        raise wrong(f"the body is not JSON: {name} holds a malformed number.") from error
    return _checked(np.array(values, np.float64), name)


def _checked(values: NDArray[Any], name: str) -> Bytes:
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):
        raise wrong(f"{name} holds numbers from {low:g} to {high:g}; pixels are 0 to 255.")
    pixels = values.astype(np.uint8)
    if not np.array_equal(pixels, values):
        raise wrong(f"{name} holds fractions; pixels are integers from 0 to 255.")
    return pixels


def _images(skeleton: Bytes, shape: Shape) -> int | None:
    """Return the number of images of this shape, or None if the structure differs."""
    image = _skeleton_of(shape)
    count, rest = divmod(len(skeleton) - 1, len(image) + 1)
    if rest or count < 1 or skeleton[0] != _OPEN or skeleton[-1] != _CLOSE:
        return None
    rows = skeleton[1:].reshape(count, -1)
    same = (rows[:, :-1] == image).all() and (rows[:-1, -1] == _COMMA).all()
    return count if same else None


@lru_cache(maxsize=1)
def _skeleton_of(shape: Shape) -> Bytes:
    text = "0"
    for size in reversed(shape):
        text = f"[{','.join([text] * size)}]"
    return np.frombuffer(text.encode(), np.uint8)


def _found(skeleton: Bytes) -> str:
    """Return a text that describes a wrong structure, from the first list of each level."""
    text = skeleton.tobytes()
    depth = len(text) - len(text.lstrip(b"["))
    shape: list[int] = []
    inside = 1
    for level in range(1, min(depth, _MOST_LEVELS) + 1):
        numbers = text.count(b"0", 0, max(0, text.find(b"]" * level)))
        if not inside or numbers % inside:
            return "is ragged"
        shape.insert(0, numbers // inside)
        inside = numbers
    regular = depth <= _MOST_LEVELS and text.count(b"0") == inside
    return f"has shape {shape}" if regular else "is ragged"


def _too_long(name: str) -> Exception:
    return wrong(f"{name} holds a number of more than {_LONGEST} characters; pixels are 0 to 255.")
