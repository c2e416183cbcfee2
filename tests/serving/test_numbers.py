"""JSON of any shape: the right pixels or a refusal, and memory bounded by the body."""

import json
import tracemalloc

import numpy as np
import pytest

from multihead.serving.budget import Budget
from multihead.serving.decode import decode_json
from multihead.serving.errors import RequestError

SHAPE = (3, 2, 2)
_SIZE = 400_000


def _decode(body: bytes, most: int = 10_000) -> np.ndarray:
    with Budget(10**9).share() as memory:
        return decode_json(body, SHAPE, most, memory)


def _refusal(body: bytes, most: int = 64) -> RequestError:
    with pytest.raises(RequestError) as caught:
        _decode(body, most)
    return caught.value


@pytest.mark.parametrize("count", [1, 7, 3000])
@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize("kind", [int, float])
def test_numbers_become_their_pixels(count: int, indent: int | None, kind: type) -> None:
    """3,000 images are many windows of text, which end within numbers and within spaces."""
    images = np.random.default_rng(count).integers(0, 256, (count, *SHAPE), np.uint8)
    body = json.dumps({"inputs": images.astype(kind).tolist()}, indent=indent)
    np.testing.assert_array_equal(_decode(body.encode()), images)


@pytest.mark.parametrize("number", ["2e2", "2.5E1", "25e-0", "0.0", "-0", "255.000"])
def test_every_form_of_a_whole_number_is_read(number: str) -> None:
    body = json.dumps({"instances": np.full((1, *SHAPE), 9).tolist()}).replace("9", number)
    assert (_decode(body.encode()) == float(number)).all()


@pytest.mark.parametrize(
    "number",
    [
        *("256", "-1", "0.5", "1e400", "-1e400", "9" * 4000, "00", "007", "1.", ".5"),
        *("+1", "1e", "--1", "1 2", "0x1", "NaN", "Infinity", "true", "null", '"1"', "{}", "[1]"),
        *("", "[]", "1,2", "1]", "[1", '"\\ud800"', "\uff11", "²"),
    ],
)
def test_what_is_no_pixel_is_refused(number: str) -> None:
    values = np.zeros((2, *SHAPE), int).tolist()
    values[1][2][1][1] = 77
    body = json.dumps({"inputs": values}).replace("77", number)
    assert _refusal(body.encode()).status == 400


def test_a_channel_that_comes_first_is_told_by_its_shape() -> None:
    body = json.dumps({"inputs": np.zeros((5, 2, 3, 2), int).tolist()}).encode()
    assert "has shape [5, 2, 3, 2]; this model takes uint8 [B, 3, 2, 2]" in str(_refusal(body))


@pytest.mark.parametrize(
    "unit",
    [b"[],", b"[", b"]", b"0,", b"1.5,", b'"",', b"{},", b'{"a":', b"null,", b"9", b" ", b"-"],
)
@pytest.mark.parametrize("frame", [b'{"inputs": [%b0]}', b'{"images": ["%b"]}', b"%b"])
def test_a_body_of_any_shape_takes_memory_in_proportion(unit: bytes, frame: bytes) -> None:
    """Python objects would take up to 30 times the body, and numpy's text far more."""
    body = frame % (unit * (_SIZE // len(unit)))
    _refusal(b'{"inputs": [[]]}')
    tracemalloc.start()
    try:
        error = _refusal(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.status in (400, 413)
    assert peak < 5 * len(body) + 3_000_000  # and a window


def test_a_long_text_among_empty_ones_is_refused_at_once() -> None:
    body = b'{"inputs": ["' + b"a" * 200_000 + b'"' + b',""' * 3000 + b"]}"
    assert _refusal(body).status in (400, 413)
    assert _refusal(body, most=4000).status == 400


@pytest.mark.parametrize("key", ["inputs", "images"])
def test_a_key_that_comes_twice_is_refused(key: str) -> None:
    value = json.dumps(np.zeros((1, *SHAPE), int).tolist()) if key == "inputs" else '["AAAA"]'
    assert _refusal(f'{{"{key}": {value}, "{key}": {value}}}'.encode()).status == 400
