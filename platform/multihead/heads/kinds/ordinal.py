"""Levels of a range, predicted as a distribution over them; the value is the expected one."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.heads.artifacts.reliability import QuantileReliability
from multihead.heads.head import Column, Head, register
from multihead.heads.kinds.of_levels import OfRange
from multihead.heads.losses.expected_value import ExpectedValueLoss
from multihead.heads.readout import RangeReadout, expected_offset
from multihead.heads.results import Artifact, Readout

# Between `low` and `high` of an answer lies this much of the probability.
LEVEL = 0.9


class OrdinalReadout(RangeReadout):
    """The expected value of the softmax over the levels."""

    def offsets(self, outputs: Tensor) -> Tensor:
        """Return the expected offset [B]."""
        return expected_offset(self.scale, outputs)


@register("ordinal")
class Ordinal(OfRange):
    """Predict a parameter by an output per level; trained by the distance of the mean."""

    name = "ordinal"
    activation = "softmax"

    def criterion(self, head: Head) -> nn.Module:
        """Return the distance of the expected value, with a little cross-entropy."""
        return ExpectedValueLoss(head)

    def readout(self, head: Head) -> Readout:
        """Return the expected value."""
        return OrdinalReadout(head)

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return also whether the predicted distributions hold."""
        return (*super().artifacts(head), QuantileReliability(head))

    def answer(self, head: Head, readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the value, and the levels that cut off the ends of the distribution.

        The value is the expected one, which a long tail can pull out of the interval.
        """
        low, high = _interval(head, outputs)
        name = head.name
        value = readout.values(outputs).numpy()
        return {name: value, f"{name}_low": low, f"{name}_high": high}

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """Return the softmax [B, K]."""
        return outputs.softmax(1)


def _interval(head: Head, outputs: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values [B] of the levels that cut off the two ends of the distribution."""
    below = outputs.double().softmax(1).cumsum(1)
    cuts = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    levels = torch.searchsorted(below, cuts.repeat(len(below), 1)).clamp(max=head.num_classes - 1)
    low, high = head.decode(levels.numpy()).T
    return low, high
