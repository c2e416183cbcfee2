import numpy as np
import pytest

from multihead.figures.dataset import shown_picture


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((1, 1, 1), (1, 1)),
        ((3, 4, 5), (4, 5, 3)),
        ((2, 4, 5), (4, 10)),
        ((1, 1000, 2), (250, 2)),
        ((3, 8, 65535), (8, 256, 3)),
    ],
)
def test_any_number_of_channels_and_any_size_can_be_shown(
    shape: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    assert shown_picture(np.zeros(shape, np.uint8)).shape == shown


def test_colours_stay_where_they_are() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    assert shown_picture(image)[1, 0].tolist() == image[:, 1, 0].tolist()
