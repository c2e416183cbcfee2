"""Angles, predicted as a point on a circle. So 359 degrees are close to 1 degree."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads.artifacts.hardest_labels import HardestLabels
from multihead.heads.artifacts.predicted_angles import PredictedAngles
from multihead.heads.head import Head, Kind, register
from multihead.heads.losses.angle import AngleLoss
from multihead.heads.results import Artifact, Readout
from multihead.metrics.mae import MAE
from multihead.metrics.metric import Metric

_RADIANS = 6.3  # slightly more than a full turn


class AngleReadout(Readout):
    """Converts two outputs, a cosine and a sine, to an angle.

    Args:
        period: The period of `Angle`.
    """

    columns = ("absolute",)

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period = period

    def values(self, outputs: Tensor) -> Tensor:
        """Return angles [B], 0 or more and less than the period."""
        outputs = outputs.float()
        turn = torch.atan2(outputs[:, 1], outputs[:, 0]) / (2 * math.pi) % 1
        # A value just below 0 rounds to a full turn.
        return torch.where(turn < 1, turn, 0) * self.period

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the shorter distance from the label around the circle, [1, B]."""
        away = (self.values(outputs) - labels).abs() % self.period
        return torch.minimum(away, self.period - away).unsqueeze(0)


@register("angle")
class Angle(Kind):
    """Predicts an angle with two outputs, a cosine and a sine; the loss is their squared distance.

    Labels are float32 with any number of turns, so 370 and 10 degrees are equal. The score is
    1 - MAE / (period / 4). A random guess has an MAE of a quarter of the period.

    Args:
        period: The period in `unit`, after which angles repeat: 360 degrees for a direction, 180
            for a line without direction, 90 for a square.
        unit: The unit of labels and period.

    Raises:
        ConfigError: If the period is not finite and above 0.
    """

    name = "angle"
    dtype = np.float32
    breaks = frozenset(["hflip", "vflip", "rotate", "shear"])

    def __init__(self, period: float = 360.0, unit: str = "degrees") -> None:
        if not 0 < period < math.inf:
            raise ConfigError(f"the period of an angle is {period}; it must be above 0.")
        self.period, self._unit = float(period), str(unit)

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"period": self.period, "unit": self._unit}

    def outputs(self, head: Head) -> int:
        """Return 2."""
        return 2

    def criterion(self, head: Head) -> nn.Module:
        """Return the loss: the squared distance from the point on the circle."""
        return AngleLoss(self.period)

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the mean point of the labels on the circle, [2]."""
        turns = torch.from_numpy(labels).double() * (2 * math.pi / self.period)
        return torch.stack([turns.cos().mean(), turns.sin().mean()])

    def readout(self, head: Head) -> Readout:
        """Return the readout of the angle."""
        return AngleReadout(self.period)

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the mean absolute error around the circle."""
        return (MAE,)

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return 1 for no error, and 0 for a random guess or worse."""
        return max(0.0, 1 - means["absolute"] / (self.period / 4))

    def notes(self, head: Head, labels: NDArray[Any]) -> Sequence[str]:
        """Return a note if labels [N] look like radians but the period is 360."""
        known = labels[~self.is_missing(labels)]
        span = float(np.ptp(known)) if len(known) else math.inf
        if self.period != 360 or span > _RADIANS:
            return ()
        return (
            f"labels of {head.shown} span only {span:.3g} of {self.period:g} {self._unit}; if they "
            f"are radians, set the period to 6.2832 and the unit to rad",
        )

    def unit(self, head: Head) -> str:
        """Return the unit of the labels."""
        return self._unit

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return the table of true and predicted angles, and the worst predictions."""
        readout = AngleReadout(self.period)
        return (
            PredictedAngles(head, self.period),
            HardestLabels(head, lambda outputs, labels: readout.measures(outputs, labels)[0]),
        )
