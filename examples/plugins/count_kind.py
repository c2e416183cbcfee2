"""A kind of head: counts, such as cells in a picture, predicted as a Poisson rate.

A squared error treats 0 instead of 2 like 40 instead of 42. The Poisson deviance does not, and its
prediction is never below 0.
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
    """Return 2 (y log(y / rate) - y + rate) of each sample, [B]; 0 where the rate is the count."""
    return 2 * (torch.xlogy(counts, counts) - counts * log_rate - counts + log_rate.exp())


class CountLoss(nn.Module):
    """The Poisson deviance of each sample; it has the gradient of twice the likelihood.

    Args:
        mean: Of the training counts; the network learns the logarithm of rate / mean.

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
    """The expected count, and what the metrics average over the samples.

    Args:
        mean: As `CountLoss` has it.
    """

    columns = ("absolute", "deviance", "count", "count_log_count")

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.shift = float(np.log(mean))

    def values(self, outputs: Tensor) -> Tensor:
        """Return expected counts [B]."""
        return (outputs[:, 0].float() + self.shift).exp()

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return what `columns` names, [4, B]."""
        log_rate = outputs[:, 0].float() + self.shift
        absolute, apart = (log_rate.exp() - labels).abs(), deviance(log_rate, labels)
        return torch.stack([absolute, apart, labels, torch.xlogy(labels, labels)])


class Count(Kind):
    """Predict a count by the logarithm of its Poisson rate.

    Labels are float32: whole numbers of 0 or more, NaN where they are missing. The score is the
    share of the deviance that is explained, D^2: 0 for whoever always says the mean.

    Args:
        mean: Of the training counts, above 0; `fitted` sets it.
    """

    name = "count"
    dtype = np.float32

    def __init__(self, mean: float = 1.0) -> None:
        self.mean = float(mean)

    def fitted(self, head: Head, labels: NDArray[Any]) -> Kind:
        """Return the kind that begins at the mean of the training labels."""
        known = labels[~self.is_missing(labels)]
        mean = float(known.mean(dtype=np.float64)) if len(known) else 0.0
        return Count(mean) if mean > 0 else self

    def impossible(self, head: Head, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which labels [N] are no counts."""
        return super().impossible(head, labels) | (labels < 0) | (labels != np.floor(labels))

    def allowed(self, head: Head) -> str:
        """Return what an impossible label is."""
        return "no whole number of 0 or more"

    def outputs(self, head: Head) -> int:
        """Return 1."""
        return 1

    def criterion(self, head: Head) -> nn.Module:
        """Return the deviance of each sample."""
        return CountLoss(self.mean)

    def readout(self, head: Head) -> Readout:
        """Return the expected count."""
        return CountReadout(self.mean)

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the deviance, and the mean absolute error."""
        return (DEVIANCE, MAE)

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return the share of the deviance that is explained, 0 to 1."""
        mean = means["count"]
        of_mean = 2 * (means["count_log_count"] - (mean * np.log(mean) if mean > 0 else 0.0))
        return max(0.0, 1 - means["deviance"] / of_mean) if of_mean > 0 else 0.0

    def columns(self, head: Head) -> dict[str, str]:
        """Return the expected count and the ends of an interval that holds 90% of the counts."""
        return dict.fromkeys((head.name, f"{head.name}_low", f"{head.name}_high"), "double")

    def answer(
        self, head: Head, readout: Readout, outputs: Tensor
    ) -> dict[str, NDArray[np.float64]]:
        """Return the columns of `columns` for outputs [B, 1]."""
        rate = readout.values(outputs).double().numpy()
        low, high = poisson.interval(0.9, rate)
        return {head.name: rate, f"{head.name}_low": low, f"{head.name}_high": high}
