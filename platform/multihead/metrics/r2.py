"""The share of the labels' variance that predictions explain."""

import math
from collections.abc import Mapping

from multihead.metrics.metric import Metric

# A variance of the labels below this share of their mean square is a rounding error.
_ROUNDING = 1e-12


def unexplained(means: Mapping[str, float]) -> float:
    """Return the mean squared error divided by the labels' variance, 0 or more.

    If all labels are equal, it is 0 without an error, else 1.
    """
    variance = means["label_squared"] - means["label"] ** 2
    if variance > _ROUNDING * means["label_squared"]:
        return means["squared"] / variance
    return 0.0 if means["squared"] == 0 else 1.0


R2 = Metric(
    name="r2",
    title="coefficient of determination",
    short="R²",
    column="r2",
    higher_is_better=True,
    bounds=(-math.inf, 1.0),
    of_means=lambda means: 1 - unexplained(means),
)
