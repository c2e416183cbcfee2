"""A kind of head: counts, such as the cells in an image, predicted as a Poisson rate.

A squared error is the same for 0 instead of 2 and for 40 instead of 42. The Poisson deviance is
larger for the first. Its prediction is never below 0.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import poisson
from torch import Tensor, nn

from multihead import Head
from multihead.heads import Kind, Readout
from multihead.metrics import Metric
from multihead.metrics.mae import MAE

DEVIANCE = Metric(
    name="poisson_deviance",
    title="mean Poisson deviance",
    short="deviance",
    column="poisson_deviance",
    higher_is_better=False,
    bounds=(0.0, float("inf")),
    of_means=lambda means: means["deviance"],
)


def deviance(log_rate: Tensor, counts: Tensor) -> Tensor:
    """Return 2 (y log(y / rate) - y + rate) of each sample, [B]; 0 if the rate equals y."""
    return 2 * (torch.xlogy(counts, counts) - counts * log_rate - counts + log_rate.exp())


class CountLoss(nn.Module):
    """The Poisson deviance of each sample: twice the negative log-likelihood plus a constant.

    Args:
        mean: Mean of the training counts; the network learns the logarithm of rate / mean.

    Shape:
        outputs [B, 1] and counts float [B] to [B].
    """

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.shift = float(np.log(mean))

    def forward(self, outputs: Tensor, counts: Tensor) -> Tensor:
        """Return the deviance of each sample."""
        return deviance(outputs[:, 0] + self.shift, counts)


class CountReadout(Readout):
    """Converts outputs to expected counts, and computes the values for metrics.

    Args:
        mean: As in `CountLoss`.
    """

    columns = ("absolute", "deviance", "count", "count_log_count")

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.shift = float(np.log(mean))

    def values(self, outputs: Tensor) -> Tensor:
        """Return expected counts [B]."""
        return (outputs[:, 0].float() + self.shift).exp()

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the values of `columns`, [4, B]."""
        log_rate = outputs[:, 0].float() + self.shift
        absolute, apart = (log_rate.exp() - labels).abs(), deviance(log_rate, labels)
        return torch.stack([absolute, apart, labels, torch.xlogy(labels, labels)])


class Count(Kind):
    """Predicts a count with the logarithm of its Poisson rate.

    Labels are float32: integers of 0 or more, and NaN if missing. The score is D^2, the explained
    share of the deviance. It is 0 if the prediction is always the mean.

    Args:
        mean: Mean of the training counts, above 0; `fitted` sets it.
    """

    name = "count"
    dtype = np.float32

    def __init__(self, mean: float = 1.0) -> None:
        self.mean = float(mean)

    def fitted(self, head: Head, labels: NDArray[Any]) -> Kind:
        """Return the kind with the mean of the training labels, where training begins."""
        known = labels[~self.is_missing(labels)]
        mean = float(known.mean(dtype=np.float64)) if len(known) else 0.0
        return Count(mean) if mean > 0 else self

    def impossible(self, head: Head, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return bool [N]: which labels are not counts."""
        return super().impossible(head, labels) | (labels < 0) | (labels != np.floor(labels))

    def allowed(self, head: Head) -> str:
        """Return a text that describes an invalid label."""
        return "not an integer of 0 or more"

    def outputs(self, head: Head) -> int:
        """Return 1."""
        return 1

    def criterion(self, head: Head) -> nn.Module:
        """Return the deviance of each sample."""
        return CountLoss(self.mean)

    def readout(self, head: Head) -> Readout:
        """Return the readout of the expected count."""
        return CountReadout(self.mean)

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the deviance and the mean absolute error."""
        return (DEVIANCE, MAE)

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return the explained share of the deviance, 0 to 1."""
        mean = means["count"]
        of_mean = 2 * (means["count_log_count"] - (mean * np.log(mean) if mean > 0 else 0.0))
        return max(0.0, 1 - means["deviance"] / of_mean) if of_mean > 0 else 0.0

    def columns(self, head: Head) -> dict[str, str]:
        """Return the expected count and the ends of a 90% interval."""
        return dict.fromkeys((head.name, f"{head.name}_low", f"{head.name}_high"), "double")

    def answer(
        self, head: Head, readout: Readout, outputs: Tensor
    ) -> dict[str, NDArray[np.float64]]:
        """Return the columns of `columns` for outputs [B, 1]."""
        rate = readout.values(outputs).double().numpy()
        low, high = poisson.interval(0.9, rate)
        return {head.name: rate, f"{head.name}_low": low, f"{head.name}_high": high}
