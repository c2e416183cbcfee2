"""Levels of a range, predicted with one output."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.heads.head import KINDS, Column, Head, Kind, register
from multihead.heads.kinds.float_regression import FloatRegression
from multihead.heads.kinds.of_levels import OfRange
from multihead.heads.losses.regression import RegressionLoss
from multihead.heads.readout import RangeReadout, regressed_share
from multihead.heads.results import Readout

_END = 1e-6  # smallest distance of a constant sigmoid prediction from the ends of the range


class RegressionReadout(RangeReadout):
    """Converts the output to a value in the unit.

    Args:
        head: A head with a parameter.
        bounded: As in `Regression`.
    """

    def __init__(self, head: Head, *, bounded: bool) -> None:
        super().__init__(head)
        self.bounded = bounded

    def offsets(self, outputs: Tensor) -> Tensor:
        """Return the predicted offsets [B]."""
        return self.scale.from_share(regressed_share(outputs, bounded=self.bounded))


@register("regression")
class Regression(OfRange):
    """Predicts a parameter with one output; the loss is the distance from the label.

    Args:
        bounded: Whether a sigmoid keeps predictions within the range.
    """

    name = "regression"

    def __init__(self, bounded: bool = False) -> None:
        self.bounded = bounded

    def suited(self, head: Head) -> Kind:
        """Return `FloatRegression` if labels are not levels and `bounded` is false."""
        if head.num_classes or self.bounded:
            return self
        return FloatRegression().suited(head)

    def outputs(self, head: Head) -> int:
        """Return 1."""
        return 1

    def criterion(self, head: Head) -> nn.Module:
        """Return the Huber loss in percent of the range."""
        return RegressionLoss(head)

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the output [1] that predicts the mean of the labels."""
        scale = RegressionReadout(head, bounded=self.bounded).scale
        mean = scale.of_labels(torch.from_numpy(labels)).double().mean()
        share = scale.to_share(mean)
        return (share.logit(eps=_END) if self.bounded else 4 * (share - 0.5)).reshape(1)

    def readout(self, head: Head) -> Readout:
        """Return the readout of the value."""
        return RegressionReadout(head, bounded=self.bounded)

    def answer(self, head: Head, readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the value; there is no interval, so its ends are NaN."""
        unknown = np.full(len(outputs), np.nan)
        name = head.name
        value = readout.values(outputs).numpy()
        return {name: value, f"{name}_low": unknown, f"{name}_high": unknown}


KINDS["bounded_regression"] = Regression(bounded=True)
