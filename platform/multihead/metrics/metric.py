"""The definition of a metric: its names, its unit and its direction.

A metric does not depend on a run or a store. Studies, comparisons, reports and tables use this
definition instead of their own lists of names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Unit(Enum):
    """The unit of a metric.

    Attributes:
        SHARE: A share from 0 to 1. Differences are reported in percentage points.
        LABEL: The unit of the head's labels. So a mean over heads has no unit.
        NONE: Any other unit, such as nats of a loss.
    """

    SHARE = "share"
    LABEL = "label"
    NONE = "none"


@dataclass(frozen=True)
class Metric:
    """A metric of a head on a split.

    Two metrics are equal if their values have the same meaning, even if they are computed in
    different ways. For example, the macro F1 of tags uses counts, and that of classes uses
    predictions.

    Attributes:
        name: Last part of `{split}/{head}_{name}`.
        title: The name in words, such as `mean absolute error`.
        short: The title of a column, such as `MAE`.
        column: Its name in `test.csv`.
        higher_is_better: Whether a higher value is better.
        bounds: The lowest and the highest possible value.
        unit: The unit of its values.
        of_means: Computes the value from means over the samples, by the names of the readout's
            columns; None if it is computed in another way.
        of_predictions: Computes the value from all predictions and labels of a split, see
            `metrics.of_predictions`; None if it is computed in another way.
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
        """Return the value for means over the samples, by column name."""
        assert self.of_means is not None, self.name
        return self.of_means(means)

    def shown(self, value: float, unit: str = "") -> str:
        """Return a value as text.

        Args:
            value: The value of this metric.
            unit: The unit of the head's labels; empty if there is none.
        """
        if self.unit is Unit.LABEL:
            return f"{value:.4g} {unit}".strip()
        return f"{value:.4f}"

    def titled(self, head: str, value: float | None, unit: str = "") -> str:
        """Return the title of a figure of a head's test; `unit` is as in `shown`."""
        figure = "" if value is None else f": {self.title} {self.shown(value, unit)}"
        return f"{head}{figure} on the test split"
