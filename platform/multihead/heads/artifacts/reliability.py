"""How far predicted probabilities hold: `reliability_<head>`, a CSV and a PNG, and one metric.

Sums stay on the device, in 15 equal bins.
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
    """What was promised, and what came true.

    Attributes:
        count: Samples in each bin, [15].
        expected: What each bin promises, [15].
        observed: What came true in it, [15]; NaN in a bin without samples.
        error: Mean distance of the two, 0 to 1.
    """

    count: NDArray[np.float64]
    expected: NDArray[np.float64]
    observed: NDArray[np.float64]
    error: float


class BinnedReliability(Artifact):
    """Count samples by bin; subclasses say into which, and what is promised.

    Args:
        head: One that predicts probabilities by a softmax.
    """

    metric: ClassVar[Metric]
    axes: ClassVar[tuple[str, str]]

    def __init__(self, head: Head) -> None:
        self.head, self.readout = head, head.kind.readout(head)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._sums = torch.zeros(3, BINS)

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        readout = self.readout.to(outputs.device)
        assert isinstance(readout, ClassReadout)
        codes = readout.label_codes(labels)
        self.add_binned(*self.binned(self.probabilities(outputs), codes))

    def add_binned(self, bins: Tensor, *weights: Tensor) -> None:
        """Add what is summed of the promised and the observed to bins, [B] each."""
        index = bins.long().clamp(0, BINS - 1)
        self._sums = self._sums.to(bins.device)
        ones = torch.ones_like(weights[0])
        for row, weight in zip(self._sums, (ones, *weights), strict=True):
            row.scatter_add_(0, index, weight)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return what `binned` is given of outputs [B, K]: the softmax [B, K]."""
        return outputs.softmax(1)

    def axes_shown(self) -> tuple[str, str]:
        """Return what stands at the horizontal and the vertical axis."""
        return self.axes

    @abstractmethod
    def binned(self, probabilities: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return bins [B], and what is summed of the promised and the observed, [B] each."""

    @abstractmethod
    def read(self) -> Reliability:
        """Return what was promised and what came true."""

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write the bins as a table and a picture, and return the error unless it is measured."""
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
    """Compare confidence, the probability of the predicted class, with accuracy.

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
    """Compare the probability of yes, class 1, with the share of samples that are it."""

    axes = ("probability of {yes}", "share of samples that are {yes}")

    def axes_shown(self) -> tuple[str, str]:
        """Return the axes with the name of class 1."""
        probability, share = self.axes
        yes = self.head.text(1)
        return probability.replace("{yes}", yes), share.replace("{yes}", yes)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return those of class 1, [B]."""
        return outputs[:, 0].sigmoid()

    def binned(self, probabilities: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the bin of each probability, the probability, and whether it is class 1."""
        return bins_of(probabilities), probabilities, codes.to(probabilities.dtype)


class TagReliability(YesReliability):
    """Compare the probability of each tag with the share of samples that have it; all together."""

    axes = ("probability of a tag", "share of samples that have the tag")

    def axes_shown(self) -> tuple[str, str]:
        """Return the axes; no tag is named, because all are together."""
        return self.axes

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add the tags of one batch that labels [B, K] tell."""
        told = ~labels.isnan()
        self.add_binned(*self.binned(outputs.sigmoid()[told], labels[told]))


class QuantileReliability(BinnedReliability):
    """Compare the places of labels in their predicted distributions with even ones.

    The place, `P(below) + P(level) / 2`, is evenly spread from 0 to 1 if the distributions hold.
    Source: Kuleshov et al., ICML 2018, arXiv:1807.00263, section 3.2.
    """

    metric = QUANTILE_ERROR
    axes = ("predicted quantile", "share of images below it")

    def binned(self, probabilities: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the bin of each label's place, and the place."""
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
