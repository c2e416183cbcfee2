"""Levels of a range, predicted as a distribution; the prediction is the expected value."""

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

# The probability of the interval from `low` to `high`.
LEVEL = 0.9


class OrdinalReadout(RangeReadout):
    """The expected value of the softmax over the levels."""

    def offsets(self, outputs: Tensor) -> Tensor:
        """Return the expected offset [B]."""
        return expected_offset(self.scale, outputs)


@register("ordinal")
class Ordinal(OfRange):
    """Predicts a parameter with one output per level; the loss uses the expected value."""

    name = "ordinal"
    activation = "softmax"

    def criterion(self, head: Head) -> nn.Module:
        """Return the distance of the expected value plus a small cross-entropy term."""
        return ExpectedValueLoss(head)

    def readout(self, head: Head) -> Readout:
        """Return the readout of the expected value."""
        return OrdinalReadout(head)

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return also the reliability of the predicted distributions."""
        return (*super().artifacts(head), QuantileReliability(head))

    def answer(self, head: Head, readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the expected value, and the ends of the central 90% interval, [B] each.

        With a long tail, the expected value can be outside the interval.
        """
        low, high = _interval(head, outputs)
        name = head.name
        value = readout.values(outputs).numpy()
        return {name: value, f"{name}_low": low, f"{name}_high": high}

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """Return the softmax [B, K]."""
        return outputs.softmax(1)


def _interval(head: Head, outputs: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values [B] at the lower and upper ends of the central interval."""
    below = outputs.double().softmax(1).cumsum(1)
    cuts = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    levels = torch.searchsorted(below, cuts.repeat(len(below), 1)).clamp(max=head.num_classes - 1)
    low, high = head.decode(levels.numpy()).T
    return low, high
