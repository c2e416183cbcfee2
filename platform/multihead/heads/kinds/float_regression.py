"""Numbers as they are, predicted as one number in their unit."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads.artifacts.hardest_labels import HardestLabels
from multihead.heads.artifacts.predicted_numbers import PredictedNumbers
from multihead.heads.head import KINDS, Head, Kind
from multihead.heads.histogram import histogram_of_numbers
from multihead.heads.losses.standardised import StandardisedLoss
from multihead.heads.readout import widest
from multihead.heads.results import Artifact, Readout
from multihead.heads.standard import Standard
from multihead.metrics.mae import MAE
from multihead.metrics.metric import Metric
from multihead.metrics.of_predictions import SPEARMAN
from multihead.metrics.r2 import R2, unexplained
from multihead.metrics.rmse import RMSE

_IN_UNIT = ("absolute", "squared", "label", "label_squared")
_IN_SCORES = ("score_squared", "score_label", "score_label_squared")
_MANY_TIMES = 1000.0


class FloatReadout(Readout):
    """The one output, a standard score, as a value in the unit.

    Args:
        standard: What a score stands for.
    """

    def __init__(self, standard: Standard) -> None:
        super().__init__()
        self.standard = standard
        self.columns = (*_IN_UNIT, *(_IN_SCORES if standard.log else ()))

    def values(self, outputs: Tensor) -> Tensor:
        """Return values [B] in the unit, in float64 where the device has it."""
        return self.standard.values(outputs[:, 0])

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return errors, and labels as distances from the centre; on a log scale also scores."""
        true = widest(labels)
        columns = _errors(self.values(outputs), true, self.standard.centre)
        if self.standard.log:
            _, *of_scores = _errors(widest(outputs[:, 0]), self.standard.scores(labels), 0.0)
            columns += of_scores
        return torch.stack(columns)


class FloatRegression(Kind):
    """Predict a number in its unit by one output; trained by the squared error.

    The network learns standard scores: labels less the mean of the training labels, over their
    deviation. Labels outside the range of the training labels are as good as others.

    Args:
        unit: Of the labels; empty where there is none.
        log: Whether logarithms are learned, for labels above 0 of several powers of ten.
        mean: Of the training labels, or of their natural logarithms; `fitted` sets it.
        deviation: As `mean`; above 0.

    Raises:
        ConfigError: For a mean or deviation that cannot be.
    """

    name = "regression"
    dtype = np.float32

    def __init__(
        self, unit: str = "", log: bool = False, mean: float = 0.0, deviation: float = 1.0
    ) -> None:
        self._unit, self.log = str(unit), bool(log)
        self.mean, self.deviation = float(mean), float(deviation)
        if not (math.isfinite(self.mean) and math.isfinite(self.deviation) and self.deviation > 0):
            raise ConfigError(
                f"a regression has the mean {mean} and the deviation {deviation}; they must be "
                f"finite, and the deviation above 0."
            )

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        fit = {"mean": self.mean, "deviation": self.deviation}
        return {"unit": self._unit, "log": self.log, **fit}

    @property
    def standard(self) -> Standard:
        """What the scores that the network learns stand for."""
        return Standard(self.mean, self.deviation, self.log)

    def check(self, head: Head) -> None:
        """Refuse levels, which have a range of their own."""
        if head.num_classes:
            raise ConfigError(
                f"head {head.name!r} has {head.num_classes} classes or levels, so its labels are "
                f"no numbers as they are; choose regression for levels of a range."
            )

    def suited(self, head: Head) -> Kind:
        """Keep the unit of the kind that this one replaces."""
        if self._unit or not head.unit or head.kind is self:
            return self
        return FloatRegression(**(self.options() | {"unit": head.unit}))

    def fitted(self, head: Head, labels: NDArray[Any]) -> Kind:
        """Return the kind with the mean and deviation of the labels, in float64.

        Labels that are all alike, or none, have the deviation 1.
        """
        known = labels[~self.is_missing(labels)].astype(np.float64)
        if not len(known):
            return self
        values = np.log(known) if self.log else known
        deviation = float(values.std())
        alike = deviation <= np.finfo(np.float64).eps * float(np.abs(values).max())
        fit = {"mean": float(values.mean()), "deviation": 1.0 if alike else deviation}
        return FloatRegression(**(self.options() | fit))

    def notes(self, head: Head, labels: NDArray[Any]) -> Sequence[str]:
        """Return whether a log scale would suit the labels."""
        known = labels[~self.is_missing(labels)]
        if self.log or not len(known) or known.min() <= 0:
            return ()
        low, high = float(known.min()), float(known.max())
        if high < _MANY_TIMES * low:
            return ()
        return (
            f"labels of {head.shown} go from {low:.3g} to {high:.3g}; if their ratios matter, "
            f"choose data.head_kinds.{head.name}=log_regression",
        )

    # -- labels ----------------------------------------------------------------------------

    def unit(self, head: Head) -> str:
        """Return the unit."""
        return self._unit

    def impossible(self, head: Head, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which labels [N] are not finite, or not above 0 on a log scale."""
        wrong = super().impossible(head, labels)
        return wrong | (labels <= 0) if self.log else wrong

    def allowed(self, head: Head) -> str:
        """Return what an impossible label is."""
        return "no finite number above 0, as a log scale needs" if self.log else "no finite number"

    # -- training --------------------------------------------------------------------------

    def outputs(self, head: Head) -> int:
        """Return 1."""
        return 1

    def criterion(self, head: Head) -> nn.Module:
        """Return the squared error of standard scores."""
        return StandardisedLoss(head)

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the standard score of the mean, [1]."""
        return torch.zeros(1)

    def readout(self, head: Head) -> Readout:
        """Return the value that the output stands for."""
        return FloatReadout(self.standard)

    # -- metrics ---------------------------------------------------------------------------

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return errors in the unit."""
        return (MAE, RMSE, R2)

    def evaluated_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the rank correlation."""
        return (SPEARMAN,)

    def judged(
        self, head: Head, readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return predicted and true values [N] in the unit."""
        return readout.values(outputs), widest(labels)

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return 1 - RMSE / sigma, sigma the deviation of labels; of logarithms on a log scale."""
        if self.log:
            means = {name.removeprefix("score_"): means[name] for name in _IN_SCORES}
        return max(0.0, 1 - math.sqrt(unexplained(means)))

    # -- results ---------------------------------------------------------------------------

    def histogram(
        self, head: Head, labels: Mapping[str, NDArray[Any]]
    ) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
        """Count labels in bins of equal width, or of equal ratio on a log scale."""
        return histogram_of_numbers(head, labels, log=self.log)

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return which value was predicted for which, and the worst predictions."""
        return (PredictedNumbers(head, log=self.log), HardestLabels(head, self._deviations_off))

    def _deviations_off(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return how many deviations predictions are off, [B]."""
        return (outputs[:, 0] - self.standard.scores(labels)).abs()


def _errors(predicted: Tensor, true: Tensor, centre: float) -> list[Tensor]:
    """Return |e|, e^2, and the true values and their squares as distances from the centre, [B]."""
    error, around = predicted - true, true - centre
    return [error.abs(), error.square(), around, around.square()]


KINDS["log_regression"] = FloatRegression(log=True)
