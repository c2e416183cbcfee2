"""The settings of drawn shapes: number, size, and changes of their labels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multihead.data.source import Split
from multihead.datasets.shapes.outlines import OUTLINES, REACH
from multihead.errors import ConfigError

# In the order in which they are drawn, which is also the order of the heads.
FACTORS = ("shape", "scale", "x", "y", "orientation", "hue", "filled", "marked")
CLASSES = tuple(OUTLINES)
PERIODS = (90.0, 180.0, 360.0)
SPLITS: tuple[Split, ...] = ("train", "test")
_SMALLEST, _LARGEST = 8, 512  # pixels
_MOST_PIXELS = 1 << 32


@dataclass(frozen=True)
class Plan:
    """The settings of pictures and labels for `draw`. Equal plans give equal bytes.

    Attributes:
        count: Number of pictures in both splits, 2 or more. With the same seed, each split of a
            larger data set begins with that of a smaller one.
        test_count: Number of test pictures, 1 to count - 1. None means a fifth of all.
        size: Height and width in pixels, 8 to 512.
        colour: Whether there are three channels. If false, there is one, and no head `hue`.
        scale: Smallest and largest side of a square of the shape's area, as a share of `size`,
            above 0 and up to 0.4.
        spread: Range of centres, as a share of the room that the largest shape leaves, 0 to 1. With
            0 all centres are in the middle, and there are no heads `x` and `y`.
        turn: Range of orientations, 0 to 360 degrees. They are drawn from -turn/2 to turn/2. With
            0 there is no head `orientation`.
        period: Period of the head `orientation`, 90, 180 or 360 degrees. A shape that looks the
            same after a smaller turn has no label: with 360 squares and ellipses, with 180 squares.
        correlated: Two of `FACTORS`. With a correlation, both must vary and be visible.
        correlation: Correlation of the normal variables behind the two `correlated` factors, -1 to
            1.
        imbalance: Frequency of the first shape divided by that of the last, 1 or more. The others
            follow in geometric steps.
        label_noise: Share of wrong training labels by head, 0 to 1. A class becomes another class,
            a number another number of its range.
        missing: Share of missing training labels by head, 0 to below 1.
        clutter: Number of spots of random colour behind the shape, 0 to 100.
        pixel_noise: Standard deviation of the noise of a pixel, as a share of white, 0 to 1.
        seed: Seed of the pictures, 0 or more.

    Raises:
        ConfigError: If a value is not one of these.
    """

    count: int = 10_000
    test_count: int | None = None
    size: int = 64
    colour: bool = True
    scale: Sequence[float] = (0.12, 0.26)
    spread: float = 1.0
    turn: float = 360.0
    period: float = 360.0
    correlated: Sequence[str] = ("shape", "hue")
    correlation: float = 0.0
    imbalance: float = 1.0
    label_noise: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    clutter: int = 0
    pixel_noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_counts()
        _check_number("spread", self.spread, 0, 1)
        _check_number("turn", self.turn, 0, 360)
        _check_number("correlation", self.correlation, -1, 1)
        _check_number("imbalance", self.imbalance, 1, 1000)
        _check_number("pixel_noise", self.pixel_noise, 0, 1)
        self._check_scale()
        if self.period not in PERIODS:
            raise ConfigError(f"period is {self.period}; it must be 90, 180 or 360 degrees.")
        pair = self.correlated
        if len(pair) != 2 or len({*pair} & {*FACTORS}) != 2:
            raise ConfigError(f"correlated is {list(pair)}; name two of {', '.join(FACTORS)}.")
        still = [name for name in pair if name not in self.heads]
        if self.correlation and still:
            raise ConfigError(
                f"correlation is {self.correlation:g}, but {still[0]!r} of correlated does not "
                f"vary or is not visible; name two of {', '.join(self.heads)} in correlated."
            )
        _check_shares("label_noise", self.label_noise, self.heads, most=1)
        _check_shares("missing", self.missing, self.heads, most=0.9999)

    def _check_counts(self) -> None:
        _check_whole("count", self.count, 2, 10_000_000)
        if self.test_count is not None:
            _check_whole("test_count", self.test_count, 1, self.count - 1)
        _check_whole("size", self.size, _SMALLEST, _LARGEST)
        _check_whole("clutter", self.clutter, 0, 100)
        _check_whole("seed", self.seed, 0, (1 << 63) - 1)
        if self.count * self.size**2 * self.channels > _MOST_PIXELS:
            raise ConfigError(
                f"{self.count:,} pictures of {self.size}x{self.size} are more than 4 GB; lower "
                f"count or size."
            )

    def _check_scale(self) -> None:
        ends = self.scale
        if len(ends) != 2 or not 0 < ends[0] <= ends[1] <= 0.4:
            raise ConfigError(
                f"scale is {list(ends)}; give the least and the greatest, above 0 and up to 0.4."
            )

    @property
    def channels(self) -> int:
        """3 with colour, 1 without."""
        return 3 if self.colour else 1

    @property
    def counts(self) -> dict[Split, int]:
        """Number of pictures by split."""
        test = max(1, self.count // 5) if self.test_count is None else self.test_count
        return {"train": self.count - test, "test": test}

    @property
    def room(self) -> tuple[float, float]:
        """The smallest and largest x and y of a centre, as a share of `size`."""
        free = max(0.0, 0.5 - REACH * self.scale[1]) * self.spread
        return 0.5 - free, 0.5 + free

    @property
    def heads(self) -> tuple[str, ...]:
        """The factors that vary and are visible."""
        still = set()
        if self.scale[0] == self.scale[1]:
            still.add("scale")
        if self.room[0] == self.room[1]:
            still |= {"x", "y"}
        if not self.turn:
            still.add("orientation")
        if not self.colour:
            still.add("hue")
        return tuple(name for name in FACTORS if name not in still)

    def share_of_classes(self) -> list[float]:
        """Return the frequency of each of `CLASSES`. Their sum is 1."""
        last = len(CLASSES) - 1
        weights = [self.imbalance ** (-place / last) for place in range(len(CLASSES))]
        return [weight / math.fsum(weights) for weight in weights]


def _check_whole(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(f"{name} is {value}; it must be a whole number, {least:,} to {most:,}.")


def _check_number(name: str, value: Any, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigError(f"{name} is {value}; it must be {least:g} to {most:g}.")


def _check_shares(name: str, shares: Any, heads: Sequence[str], most: float) -> None:
    for head, share in shares.items():
        if head not in heads:
            raise ConfigError(f"{name} names head {head!r}; choose from {', '.join(heads)}.")
        _check_number(f"{name}.{head}", share, 0, most)
