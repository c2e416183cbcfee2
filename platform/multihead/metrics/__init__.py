"""What a run measures: a file per metric, which says what its figures mean and how they come."""

from multihead.metrics.metric import Metric, Unit
from multihead.metrics.own import own

__all__ = ["Metric", "Unit", "own"]
