"""What kinds have in common whose labels are classes or levels of a range."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.errors import ConfigError
from multihead.heads.artifacts.hardest import Hardest
from multihead.heads.artifacts.predicted import Predicted
from multihead.heads.head import Head, Kind
from multihead.heads.readout import LevelReadout, RangeReadout, widest
from multihead.heads.results import Artifact, Readout
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.mae import MAE
from multihead.metrics.metric import Metric
from multihead.metrics.of_predictions import SPEARMAN
from multihead.metrics.r2 import R2, unexplained
from multihead.metrics.rmse import RMSE
from multihead.metrics.within import WITHIN

_NEVER = 1e-9  # the probability of a class that no label has
_OF_RANGES = (MAE, RMSE, R2, WITHIN)


class OfLevels(Kind):
    """A kind whose labels are 0 to num_classes - 1.

    A head of a range, of whatever kind, is measured in its unit; one of unordered classes by its
    accuracy. The score is the accuracy, or 1 - RMSE / sigma, with sigma the standard deviation of
    the labels.
    """

    def check(self, head: Head) -> None:
        """Refuse a head without classes."""
        if head.num_classes < 2:
            raise ConfigError(
                f"head {head.name!r} has {head.num_classes} classes; at least 2 are needed."
            )

    def outputs(self, head: Head) -> int:
        """Return one output per class or level."""
        return head.num_classes

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the logarithm of how often each class or level is in the labels, [K]."""
        counts = np.bincount(labels, minlength=head.num_classes)
        return torch.from_numpy(counts / len(labels)).clamp(min=_NEVER).log()

    def readout(self, head: Head) -> Readout:
        """Return the class or level of the largest output."""
        return LevelReadout(head)

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the accuracy, and for a range errors in its unit."""
        return (ACCURACY, *(_OF_RANGES if head.has_range else ()))

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return the accuracy, or 1 - RMSE / sigma."""
        if not head.has_range:
            return means["correct"]
        return max(0.0, 1 - math.sqrt(unexplained(means)))


class OfRange(OfLevels):
    """A kind whose labels are levels of a parameter, and whose predictions are values of it."""

    def check(self, head: Head) -> None:
        """Refuse classes without an order, and numbers as they are."""
        if not head.num_classes:
            raise ConfigError(
                f"head {head.name!r} has labels that are no levels of a range; choose regression "
                f"or log_regression for numbers as they are."
            )
        if not head.has_range:
            raise ConfigError(
                f"head {head.name!r} has classes without an order, so it cannot be {self.name}; "
                f"only parameters with a range can."
            )

    def further_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the rank correlation."""
        return (SPEARMAN,)

    def judged(
        self, head: Head, readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return predicted and true values [N] in the unit."""
        assert isinstance(readout, RangeReadout)
        true = widest(readout.scale.of_labels(labels)) + readout.scale.centre
        return readout.values(outputs), true

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return which level was predicted for which, and the worst predictions."""
        return (Predicted(head), Hardest(head))

    def columns(self, head: Head) -> dict[str, str]:
        """Return the value and the ends of an interval around it."""
        name = head.name
        return {name: "double", f"{name}_low": "double", f"{name}_high": "double"}
