"""Regression of float labels without a given range, with one output."""

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
    """Converts the output, a standard score, to a value in the unit.

    Args:
        standard: The conversion of scores.
    """

    def __init__(self, standard: Standard) -> None:
        super().__init__()
        self.standard = standard
        self.columns = (*_IN_UNIT, *(_IN_SCORES if standard.log else ()))

    def values(self, outputs: Tensor) -> Tensor:
        """Return values [B] in the unit, in float64 if the device supports it."""
        return self.standard.values(outputs[:, 0])

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return errors, and labels relative to the centre; with `log` also those of scores."""
        true = widest(labels)
        columns = _errors(self.values(outputs), true, self.standard.centre)
        if self.standard.log:
            _, *of_scores = _errors(widest(outputs[:, 0]), self.standard.scores(labels), 0.0)
            columns += of_scores
        return torch.stack(columns)


class FloatRegression(Kind):
    """Predicts a number in its unit with one output; the loss is the squared error.

    The network learns standard scores: (label - mean) / deviation, with the mean and standard
    deviation of the training labels. Labels beyond the training labels' range are allowed.

    Args:
        unit: The unit of the labels; empty if there is none.
        log: Whether to learn logarithms, for labels above 0 that span several powers of ten.
        mean: Mean of the training labels, or of their natural logarithms; `fitted` sets it.
        deviation: Standard deviation of the same, above 0; `fitted` sets it.

    Raises:
        ConfigError: If the mean or deviation is not finite, or the deviation is not above 0.
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
        """The conversion between labels and scores."""
        return Standard(self.mean, self.deviation, self.log)

    def check(self, head: Head) -> None:
        """Raise ConfigError if the head has classes or levels."""
        if head.num_classes:
            raise ConfigError(
                f"head {head.name!r} has {head.num_classes} classes or levels, so it cannot "
                f"have float labels; choose regression for levels of a range."
            )

    def suited(self, head: Head) -> Kind:
        """Return this kind with the unit of the kind that it replaces."""
        if self._unit or not head.unit or head.kind is self:
            return self
        return FloatRegression(**(self.options() | {"unit": head.unit}))

    def fitted(self, head: Head, labels: NDArray[Any]) -> Kind:
        """Return the kind with the mean and standard deviation of the labels, in float64.

        The deviation is 1 if all labels are equal. Without labels the kind stays as it is.
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
        """Return a note if a log scale may suit the labels."""
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
        """Return bool [N]: which labels are not finite, or with `log` not above 0."""
        wrong = super().impossible(head, labels)
        return wrong | (labels <= 0) if self.log else wrong

    def allowed(self, head: Head) -> str:
        """Return a text that describes an invalid label."""
        return "no finite number above 0, as a log scale needs" if self.log else "no finite number"

    # -- training --------------------------------------------------------------------------

    def outputs(self, head: Head) -> int:
        """Return 1."""
        return 1

    def criterion(self, head: Head) -> nn.Module:
        """Return the loss: the squared error of standard scores."""
        return StandardisedLoss(head)

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the standard score of the mean, [1]."""
        return torch.zeros(1)

    def readout(self, head: Head) -> Readout:
        """Return the readout of the value."""
        return FloatReadout(self.standard)

    # -- metrics ---------------------------------------------------------------------------

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return MAE and RMSE in the unit, and R2."""
        return (MAE, RMSE, R2)

    def evaluated_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return Spearman's rank correlation."""
        return (SPEARMAN,)

    def judged(
        self, head: Head, readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return predicted and true values [N] in the unit."""
        return readout.values(outputs), widest(labels)

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return 1 - RMSE / sigma, at least 0; sigma is the standard deviation of the labels.

        With `log`, both are of logarithms.
        """
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
        """Return the table of true and predicted values, and the worst predictions."""
        return (PredictedNumbers(head, log=self.log), HardestLabels(head, self._deviations_off))

    def _deviations_off(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the absolute errors in standard deviations, [B]."""
        return (outputs[:, 0] - self.standard.scores(labels)).abs()


def _errors(predicted: Tensor, true: Tensor, centre: float) -> list[Tensor]:
    """Return |e|, e^2, y and y^2, [B] each; y is the true value minus the centre."""
    error, around = predicted - true, true - centre
    return [error.abs(), error.square(), around, around.square()]


KINDS["log_regression"] = FloatRegression(log=True)
