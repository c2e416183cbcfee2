"""Base classes of kinds whose labels are classes or levels of a range."""

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

_NEVER = 1e-9  # probability of a class without labels
_OF_RANGES = (MAE, RMSE, R2, WITHIN)


class OfLevels(Kind):
    """A kind whose labels are 0 to num_classes - 1.

    A head with a range also has metrics in its unit; its score is 1 - RMSE / sigma, with sigma the
    standard deviation of the labels. A head of unordered classes has the accuracy as its score.
    """

    def check(self, head: Head) -> None:
        """Raise ConfigError if the head has fewer than 2 classes."""
        if head.num_classes < 2:
            raise ConfigError(
                f"head {head.name!r} has {head.num_classes} classes; at least 2 are needed."
            )

    def outputs(self, head: Head) -> int:
        """Return one output per class or level."""
        return head.num_classes

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the logarithm of the frequency of each class or level, [K]."""
        counts = np.bincount(labels, minlength=head.num_classes)
        return torch.from_numpy(counts / len(labels)).clamp(min=_NEVER).log()

    def readout(self, head: Head) -> Readout:
        """Return the readout of the class or level with the largest output."""
        return LevelReadout(head)

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the accuracy; for a range also errors in its unit."""
        return (ACCURACY, *(_OF_RANGES if head.has_range else ()))

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return the accuracy, or for a range 1 - RMSE / sigma (at least 0)."""
        if not head.has_range:
            return means["correct"]
        return max(0.0, 1 - math.sqrt(unexplained(means)))


class OfRange(OfLevels):
    """A kind whose labels are levels of a parameter, and whose predictions are values of it."""

    def check(self, head: Head) -> None:
        """Raise ConfigError if the head has unordered classes or float labels."""
        if not head.num_classes:
            raise ConfigError(
                f"head {head.name!r} has labels that are not levels of a range; choose regression "
                f"or log_regression for float labels."
            )
        if not head.has_range:
            raise ConfigError(
                f"head {head.name!r} has classes without an order, so it cannot be {self.name}; "
                f"it needs a parameter with a range."
            )

    def further_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return Spearman's rank correlation."""
        return (SPEARMAN,)

    def judged(
        self, head: Head, readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return predicted and true values [N] in the unit."""
        assert isinstance(readout, RangeReadout)
        true = widest(readout.scale.of_labels(labels)) + readout.scale.centre
        return readout.values(outputs), true

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return the table of true and predicted levels, and the worst predictions."""
        return (Predicted(head), Hardest(head))

    def columns(self, head: Head) -> dict[str, str]:
        """Return the value and the ends of an interval around it."""
        name = head.name
        return {name: "double", f"{name}_low": "double", f"{name}_high": "double"}
