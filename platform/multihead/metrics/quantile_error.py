"""Distance of the labels' quantiles in their predicted distributions from uniform."""

from multihead.metrics.metric import Metric

QUANTILE_ERROR = Metric(
    name="quantile_error",
    title="quantile error",
    short="quantile error",
    column="quantile_error",
    higher_is_better=False,
    bounds=(0.0, 1.0),
)
