"""The metrics of a run, one file each. A file defines how a metric is named and computed."""

from multihead.metrics.metric import Metric, Unit
from multihead.metrics.own import own

__all__ = ["Metric", "Unit", "own"]
