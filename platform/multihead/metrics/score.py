"""A head's quality from 0 to 1. It allows a mean over heads of all kinds."""

from multihead.metrics.metric import Metric

# `Kind.score` computes it.
SCORE = Metric(
    name="score",
    title="score",
    short="score",
    column="score",
    higher_is_better=True,
    bounds=(0.0, 1.0),
)
