"""Random pictures with one label, for measurements of speed on machines without data sets."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead import Head, Heads, Source
from multihead.data.source import Split


def pictures(
    data_dir: Path,
    split: Split,
    count: int = 1000,
    channels: int = 1,
    size: int = 28,
    label: str = "digit",
) -> Source:
    """Return random pictures with a random label of ten classes.

    Args:
        data_dir: Not used.
        split: `train` or `test`; both have the same pictures.
        count: Number of pictures.
        channels: Channels of a picture.
        size: Height and width in pixels.
        label: Name of the head.
    """
    return Source(
        name="random pictures",
        images=_pixels(count, channels, size),
        labels={label: np.random.default_rng(1).integers(10, size=count)},
        heads=Heads([Head(label, 10)]),
        mean=(0.5,) * channels,
        std=(0.29,) * channels,
    )


@cache  # a benchmark trains many times on the same pictures
def _pixels(count: int, channels: int, size: int) -> NDArray[np.uint8]:
    shape = (count, channels, size, size)
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
