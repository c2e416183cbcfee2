"""How far the places of labels in their predicted distributions are from uniform."""

from multihead.metrics.metric import Metric

QUANTILE_ERROR = Metric(
    name="quantile_error",
    title="quantile error",
    short="quantile error",
    column="quantile_error",
    higher_is_better=False,
    bounds=(0.0, 1.0),
)
