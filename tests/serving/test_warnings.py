"""What clients can cause is not written to the server's log."""

import warnings

import pytest

from multihead.serving.budget import Budget
from multihead.serving.errors import RequestError
from multihead.serving.pictures import decode_file
from multihead.serving.server import ignore_advice_on_pictures

ODD_EXIF = b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"


def test_pillows_advice_on_a_picture_is_not_logged() -> None:
    """It has as many texts as a client likes, each of which Python would keep."""
    with warnings.catch_warnings(record=True) as caught, Budget(6400).share() as memory:
        warnings.simplefilter("always")
        ignore_advice_on_pictures()
        with pytest.raises(RequestError, match="is not a PNG, JPEG, WebP or BMP"):
            decode_file(ODD_EXIF, (8, 8, 1), memory, resize=False)
    assert not caught
