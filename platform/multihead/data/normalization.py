"""Mean and standard deviation per channel, either given or measured on training images."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source
from multihead.errors import ConfigError

Normalization = Literal["default", "stats"] | Mapping[str, Sequence[float]]
_PIXELS = 1 << 18  # counted at a time; counting takes eight bytes of memory per pixel
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def channel_statistics(source: Source, index: NDArray[np.int64]) -> Statistics:
    """Return mean and standard deviation per channel of some samples' pixels, scaled to 0..1.

    Pixels are counted in integers, so the result does not depend on the order of the samples. A
    constant channel gets the deviation 1.

    Args:
        source: It is read in blocks, so it may be larger than memory.
        index: Sample numbers [n], 1 or more.
    """
    count = len(index) * math.prod(source.image_shape[1:])
    counts = np.zeros((source.image_shape[0], 256), np.int64)
    for images, _ in source.blocks(index):
        for channel, row in enumerate(counts):
            pixels = images[:, channel].ravel()
            for start in range(0, len(pixels), _PIXELS):
                row += np.bincount(pixels[start : start + _PIXELS], minlength=256)
    levels = np.arange(256) / 255
    means = [float((row * levels).sum()) / count for row in counts]
    variances = [
        float((row * (levels - mean) ** 2).sum()) / count
        for row, mean in zip(counts, means, strict=True)
    ]
    deviations = [
        math.sqrt(v) if np.count_nonzero(row) > 1 else 1.0
        for row, v in zip(counts, variances, strict=True)
    ]
    return tuple(means), tuple(deviations)


def given_statistics(given: object, channels: int) -> Statistics:
    """Check `{mean: [...], std: [...]}` of a configuration.

    Raises:
        ConfigError: If there is not one finite number per channel, or a deviation is not above 0.
    """
    if not isinstance(given, Mapping) or set(given) != {"mean", "std"}:
        raise ConfigError(
            f"data.normalize is {given!r}; give default, stats or {{mean: [...], std: [...]}}."
        )
    for key in ("mean", "std"):
        values = given[key]
        numbers = (
            isinstance(values, Sequence)
            and not isinstance(values, str)
            and all(
                isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
                for v in values
            )
        )
        if not numbers or len(values) != channels or (key == "std" and min(values) <= 0):
            above = ", above 0" if key == "std" else ""
            raise ConfigError(
                f"data.normalize.{key} is {values!r}; give {channels} numbers{above}, one per "
                f"channel."
            )
    mean, std = (tuple(map(float, given[key])) for key in ("mean", "std"))
    return mean, std
