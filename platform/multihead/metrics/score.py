"""A head's quality from 0 to 1, so that heads of all kinds have a mean."""

from multihead.metrics.metric import Metric

# Made from another metric: which one, a head's kind says.
SCORE = Metric(
    name="score",
    title="score",
    short="score",
    column="score",
    higher_is_better=True,
    bounds=(0.0, 1.0),
)
