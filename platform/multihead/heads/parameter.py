"""A continuous quantity: its range, unit and scale."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from multihead.errors import ConfigError

Spacing = Literal["linear", "log"]


@dataclass(frozen=True)
class Parameter:
    """A continuous quantity whose labels are levels 0 to levels - 1 of its range.

    On a linear scale, level q has the value `minimum + q / (levels - 1) * (maximum - minimum)`. On
    a log scale it has the value `minimum * (maximum / minimum) ** (q / (levels - 1))`.

    Attributes:
        minimum: The value of level 0, in `unit`.
        maximum: The value of the last level, in `unit`; above the minimum.
        scale: `linear` or `log`. A log scale needs a minimum above 0.
        unit: The unit, such as `semitones`; empty if there is none.
        step: The tolerance of `{split}/{head}_acc_within`, in `unit`; above 0. None means the width
            of one level in the middle of the range.
        levels: The number of levels, 2 or more.

    Raises:
        ConfigError: If a value breaks these rules.
    """

    minimum: float
    maximum: float
    scale: Spacing = "linear"
    unit: str = ""
    step: float | None = None
    levels: int = 256

    def __post_init__(self) -> None:
        low, high = self.minimum, self.maximum
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(
                f"a parameter's range is {low} to {high}; give finite ends, min < max."
            )
        if not math.isfinite(high - low):
            raise ConfigError(f"a parameter's range, {low} to {high}, is too wide for a float.")
        if self.scale not in ("linear", "log"):
            raise ConfigError(f"a parameter's scale is {self.scale!r}; give linear or log.")
        if self.scale == "log" and low <= 0:
            raise ConfigError(
                f"a parameter from {low} to {high} cannot be log; it must be above 0."
            )
        if self.step is not None and not (math.isfinite(self.step) and self.step > 0):
            raise ConfigError(f"a parameter's step is {self.step}; it must be above 0.")
        if self.levels < 2:
            raise ConfigError(f"a parameter has {self.levels} levels; at least 2 are needed.")

    @property
    def tolerance(self) -> float:
        """The tolerance of `acc_within`, in `unit`: the step, or the width of a middle level."""
        if self.step is not None:
            return self.step
        middle = self.decode(np.array([(self.levels - 2) / 2, self.levels / 2]))
        return float(middle[1] - middle[0])

    def decode(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Return the values of levels in `unit`; levels may be fractions; the shape stays."""
        share = np.asarray(levels, np.float64) / (self.levels - 1)
        if self.scale == "log":
            return np.asarray(self.minimum * (self.maximum / self.minimum) ** share)
        return np.asarray(self.minimum + share * (self.maximum - self.minimum))

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest levels of values in `unit`; values outside the range are clipped."""
        given = np.clip(np.asarray(values, np.float64), self.minimum, self.maximum)
        if self.scale == "log":
            share = np.log(given / self.minimum) / math.log(self.maximum / self.minimum)
        else:
            share = (given - self.minimum) / (self.maximum - self.minimum)
        nearest = np.floor(share * (self.levels - 1) + 0.5)
        return np.clip(nearest, 0, self.levels - 1).astype(np.int64)
