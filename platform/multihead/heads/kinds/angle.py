"""Angles, predicted as a point of the circle, so that 359 degrees are near 1 degree."""

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

_RADIANS = 6.3  # just above a turn


class AngleReadout(Readout):
    """The direction of two outputs, a cosine and a sine.

    Args:
        period: As `Angle` has it.
    """

    columns = ("absolute",)

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period = period

    def values(self, outputs: Tensor) -> Tensor:
        """Return angles [B] from 0 up to the period."""
        outputs = outputs.float()
        turn = torch.atan2(outputs[:, 1], outputs[:, 0]) / (2 * math.pi) % 1
        # Just below 0 rounds to a whole turn.
        return torch.where(turn < 1, turn, 0) * self.period

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the distance from the label, the shorter way round, [1, B]."""
        away = (self.values(outputs) - labels).abs() % self.period
        return torch.minimum(away, self.period - away).unsqueeze(0)


@register("angle")
class Angle(Kind):
    """Predict an angle by a cosine and a sine; trained by the distance on the plane.

    Labels are float32 in any turn: 370 and 10 degrees are the same. The score is 1 less the mean
    absolute error by a quarter of the period, which is what a guess has.

    Args:
        period: After which angles are the same, in `unit`: 360 degrees, 180 for a line without
            a direction, 90 for a square.
        unit: Of labels and period.

    Raises:
        ConfigError: For a period that is not above 0.
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
        """Return the squared distance from the point on the circle."""
        return AngleLoss(self.period)

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the mean of the labels' points on the circle, [2]."""
        turns = torch.from_numpy(labels).double() * (2 * math.pi / self.period)
        return torch.stack([turns.cos().mean(), turns.sin().mean()])

    def readout(self, head: Head) -> Readout:
        """Return the direction."""
        return AngleReadout(self.period)

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the mean absolute error, the shorter way round."""
        return (MAE,)

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return 1 for no error and 0 for a guess, or worse."""
        return max(0.0, 1 - means["absolute"] / (self.period / 4))

    def notes(self, head: Head, labels: NDArray[Any]) -> Sequence[str]:
        """Say where labels [N] look like radians, but the period is that of degrees."""
        known = labels[~self.is_missing(labels)]
        span = float(np.ptp(known)) if len(known) else math.inf
        if self.period != 360 or span > _RADIANS:
            return ()
        return (
            f"labels of {head.shown} span {span:.3g} of {self.period:g} {self._unit}; for radians, "
            f"give the angle the period 6.2832 and the unit rad",
        )

    def unit(self, head: Head) -> str:
        """Return the unit of the labels."""
        return self._unit

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return which angle was predicted for which, and the worst predictions."""
        readout = AngleReadout(self.period)
        return (
            PredictedAngles(head, self.period),
            HardestLabels(head, lambda outputs, labels: readout.measures(outputs, labels)[0]),
        )
