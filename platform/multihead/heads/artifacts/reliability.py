"""Calibration of probabilities: `reliability_<head>`, a CSV and a PNG, and one metric.

Sums are kept on the device, in 15 equal bins.
"""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads.head import Head
from multihead.heads.readout import ClassReadout
from multihead.heads.results import Artifact, Shown
from multihead.metrics.ece import BINS, ECE, bins_of
from multihead.metrics.metric import Metric
from multihead.metrics.quantile_error import QUANTILE_ERROR
from multihead.spreadsheet import write_csv


@dataclass(frozen=True)
class Reliability:
    """Predicted and observed frequencies.

    Attributes:
        count: Number of samples in each bin, [15].
        expected: Predicted frequency in each bin, [15].
        observed: Observed frequency in each bin, [15]; NaN in a bin without samples.
        error: Mean distance of the two, 0 to 1.
    """

    count: NDArray[np.float64]
    expected: NDArray[np.float64]
    observed: NDArray[np.float64]
    error: float


class BinnedReliability(Artifact):
    """Sums samples by bin; subclasses define the bins and the predicted frequencies.

    Args:
        head: A head that predicts probabilities.
    """

    metric: ClassVar[Metric]
    axes: ClassVar[tuple[str, str]]

    def __init__(self, head: Head) -> None:
        self.head, self.readout = head, head.kind.readout(head)
        self.reset()

    def reset(self) -> None:
        """Discard all samples."""
        self._sums = torch.zeros(3, BINS)

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        readout = self.readout.to(outputs.device)
        assert isinstance(readout, ClassReadout)
        codes = readout.label_codes(labels)
        self.add_binned(*self.binned(self.probabilities(outputs), codes))

    def add_binned(self, bins: Tensor, *weights: Tensor) -> None:
        """Add predicted and observed values to the sums of bins, [B] each."""
        index = bins.long().clamp(0, BINS - 1)
        self._sums = self._sums.to(bins.device)
        ones = torch.ones_like(weights[0])
        for row, weight in zip(self._sums, (ones, *weights), strict=True):
            row.scatter_add_(0, index, weight)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the probabilities for `binned`: the softmax [B, K] of outputs [B, K]."""
        return outputs.softmax(1)

    def axes_shown(self) -> tuple[str, str]:
        """Return the titles of the horizontal and the vertical axis."""
        return self.axes

    @abstractmethod
    def binned(self, probabilities: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return bins [B], and the predicted and observed values to sum, [B] each."""

    @abstractmethod
    def read(self) -> Reliability:
        """Return the predicted and observed frequencies."""

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write the bins as a table and a figure; return the error if it is not a metric yet."""
        from multihead.figures.reliability import reliability_figure, reliability_table

        found, name = self.read(), self.head.name
        table = reliability_table(found.count, found.expected, found.observed)
        write_csv(table, folder / f"reliability_{name}.csv")
        title = f"{self.head.shown}: {self.metric.title} {found.error:.4f}\non the test split"
        reliability_figure(table, title, folder / f"reliability_{name}.png", axes=self.axes_shown())
        measured = shown.metric(self.metric.name) is not None
        return {} if measured else {self.metric.name: found.error}

    def _read_sums(self) -> NDArray[np.float64]:
        return self._sums.double().cpu().numpy()


class ConfidenceReliability(BinnedReliability):
    """Compares confidence, the probability of the predicted class, with accuracy.

    The expected calibration error is their mean distance, weighted by samples. Source: Guo et al.,
    On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599, section 2.
    """

    metric = ECE
    axes = ("probability of the predicted class", "share of right predictions")

    def binned(self, probabilities: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the bin of each confidence, the confidence, and whether the class is right."""
        confidence, predicted = probabilities.max(1)
        return bins_of(confidence), confidence, (predicted == codes).float()

    def read(self) -> Reliability:
        """Return mean confidence and accuracy of each bin."""
        count, confidence, right = self._read_sums()
        filled = np.where(count > 0, count, np.nan)
        expected, observed = confidence / filled, right / filled
        distance = np.abs(np.nan_to_num(observed - expected))
        error = float(distance @ count / max(1.0, count.sum()))
        return Reliability(count, expected, observed, error)


class YesReliability(ConfidenceReliability):
    """Compares the probability of class 1 with the share of samples of class 1."""

    axes = ("probability of {yes}", "share of samples that are {yes}")

    def axes_shown(self) -> tuple[str, str]:
        """Return the axes with the name of class 1."""
        probability, share = self.axes
        yes = self.head.text(1)
        return probability.replace("{yes}", yes), share.replace("{yes}", yes)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return the probabilities of class 1, [B]."""
        return outputs[:, 0].sigmoid()

    def binned(self, probabilities: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the bin of each probability, the probability, and whether it is class 1."""
        return bins_of(probabilities), probabilities, codes.to(probabilities.dtype)


class TagReliability(YesReliability):
    """Compares the probabilities of all tags with the shares of samples that have them."""

    axes = ("probability of a tag", "share of samples that have the tag")

    def axes_shown(self) -> tuple[str, str]:
        """Return the axes, without the name of a tag."""
        return self.axes

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add the known tags of one batch, with labels [B, K]."""
        told = ~labels.isnan()
        self.add_binned(*self.binned(outputs.sigmoid()[told], labels[told]))


class QuantileReliability(BinnedReliability):
    """Compares the labels' quantiles in their predicted distributions with a uniform distribution.

    The quantile is `P(below) + P(level) / 2`. It is uniform from 0 to 1 if the predicted
    distributions are correct. Source: Kuleshov et al., ICML 2018, arXiv:1807.00263, section 3.2.
    """

    metric = QUANTILE_ERROR
    axes = ("predicted quantile", "share of images below it")

    def binned(self, probabilities: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the bin of each label's quantile, and the quantile twice."""
        of_label = probabilities.gather(1, codes[:, None])[:, 0]
        below = probabilities.cumsum(1).gather(1, codes[:, None])[:, 0]
        place = below - of_label / 2
        return (place * BINS).floor(), place, place

    def read(self) -> Reliability:
        """Return the upper edge of each bin, and the share of samples up to it."""
        count = self._read_sums()[0]
        edges = np.arange(1, BINS + 1) / BINS
        observed = count.cumsum() / max(1.0, count.sum())
        error = float(np.abs(np.nan_to_num(observed - edges)).mean())
        return Reliability(count, edges, observed, error)
