"""Kinds as a person writes them, in a file of their own: nothing of the package knows them."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from multihead.heads import Head, Kind, Readout
from multihead.metrics.metric import Metric

TURNS = Metric(
    name="turns",
    title="mean error in turns",
    short="turns",
    column="turns",
    higher_is_better=False,
    bounds=(0.0, 0.5),
    of_means=lambda means: means["turns"],
)


class AngleReadout(Readout):
    """Two outputs, the cosine and the sine, are an angle."""

    columns = ("turns",)

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period = period

    def values(self, outputs: Tensor) -> Tensor:
        """Return angles [B] from 0 up to the period."""
        turn = torch.atan2(outputs[:, 1], outputs[:, 0]) / (2 * math.pi)
        return (turn % 1) * self.period

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the distance from the label in turns, [1, B]."""
        away = (self.values(outputs) - labels).abs() / self.period % 1
        return torch.minimum(away, 1 - away).unsqueeze(0)


class AngleLoss(nn.Module):
    """One minus the cosine of the error; the loss of each sample, [B]."""

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period = period

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return [B]."""
        angle = 2 * math.pi * labels / self.period
        true = torch.stack([angle.cos(), angle.sin()], 1)
        return 1 - nn.functional.cosine_similarity(outputs, true)


class Angle(Kind):
    """An angle on a circle, learned as a point of it.

    Args:
        period: Of the circle, in the unit of the labels.
    """

    name = "angle"
    dtype = np.float32

    def __init__(self, period: float = 360.0) -> None:
        self.period = period

    def outputs(self, head: Head) -> int:
        """Return 2."""
        return 2

    def criterion(self, head: Head) -> nn.Module:
        """Return a loss per sample."""
        return AngleLoss(self.period)

    def readout(self, head: Head) -> Readout:
        """Return the angle."""
        return AngleReadout(self.period)

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the mean error in turns."""
        return (TURNS,)

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return 1 for no error and 0 for the opposite side."""
        return 1 - 2 * means["turns"]

    def unit(self, head: Head) -> str:
        """Return degrees."""
        return "degrees"
