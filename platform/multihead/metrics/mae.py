"""The mean distance of predictions from labels."""

import math

from multihead.metrics.metric import Metric, Unit

MAE = Metric(
    name="mae",
    title="mean absolute error",
    short="MAE",
    column="mae",
    higher_is_better=False,
    bounds=(0.0, math.inf),
    unit=Unit.LABEL,
    of_means=lambda means: means["absolute"],
)
