"""The mean of a head's own criterion, without its weight."""

import math

from multihead.metrics.metric import Metric

LOSS = Metric(
    name="loss",
    title="loss",
    short="loss",
    column="loss",
    higher_is_better=False,
    bounds=(-math.inf, math.inf),
    of_means=lambda means: means["loss"],
)
