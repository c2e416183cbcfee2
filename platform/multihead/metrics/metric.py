"""What a figure means: its names, its unit and which way is better.

A metric knows no run and no store. Studies, comparisons, reports and tables ask it, so that none
of them keeps a list of names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Unit(Enum):
    """What the numbers of a metric count.

    Attributes:
        SHARE: Of the samples, from 0 to 1; differences are told in percentage points.
        LABEL: The unit of the head's labels, so that a mean over heads has no unit.
        NONE: Anything else, such as a loss in nats.
    """

    SHARE = "share"
    LABEL = "label"
    NONE = "none"


@dataclass(frozen=True)
class Metric:
    """One figure of a head on a split.

    Two metrics are equal if their figures mean the same, however they come: the macro F1 of tags
    is made of counts, that of classes of predictions.

    Attributes:
        name: Last part of `{split}/{head}_{name}`.
        title: In words, such as `mean absolute error`.
        short: For the head of a column, such as `MAE`.
        column: Its name in `test.csv`.
        higher_is_better: Which way is better.
        bounds: The lowest and the highest value there is.
        unit: What its numbers count.
        of_means: Its value from the means over the samples, by the names of
            the readout's columns; None where it comes otherwise.
        of_predictions: Its value from all predictions and labels of a split, see
            `metrics.of_predictions`; None where it comes otherwise.
    """

    name: str
    title: str
    short: str
    column: str
    higher_is_better: bool
    bounds: tuple[float, float]
    unit: Unit = Unit.NONE
    of_means: Callable[[Mapping[str, float]], float] | None = field(default=None, compare=False)
    of_predictions: Callable[[Any, Any], float] | None = field(default=None, compare=False)

    def of(self, means: Mapping[str, float]) -> float:
        """Return the value of a metric that comes from means over the samples."""
        assert self.of_means is not None, self.name
        return self.of_means(means)

    def shown(self, value: float, unit: str = "") -> str:
        """Return a value for people.

        Args:
            value: Of this metric.
            unit: Of the head's labels; empty where there is none.
        """
        if self.unit is Unit.LABEL:
            return f"{value:.4g} {unit}".strip()
        return f"{value:.4f}"

    def titled(self, head: str, value: float | None, unit: str = "") -> str:
        """Return the title of a picture of a head's test; `unit` is as in `shown`."""
        figure = "" if value is None else f": {self.title} {self.shown(value, unit)}"
        return f"{head}{figure} on the test split"
