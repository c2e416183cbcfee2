"""The root of the mean squared distance of predictions from labels."""

import math

from multihead.metrics.metric import Metric, Unit

RMSE = Metric(
    name="rmse",
    title="root mean squared error",
    short="RMSE",
    column="rmse",
    higher_is_better=False,
    bounds=(0.0, math.inf),
    unit=Unit.LABEL,
    of_means=lambda means: math.sqrt(means["squared"]),
)
