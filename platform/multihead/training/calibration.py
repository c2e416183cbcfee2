"""How far predicted probabilities hold: sums on the device for reliability diagrams.

- A classification is binned by confidence, the probability of the predicted class, into 15
  equal bins, and each bin's accuracy compared with its mean confidence. The expected calibration
  error is their mean distance, weighted by images. Source: Guo et al., On Calibration of Modern
  Neural Networks, ICML 2017, arXiv:1706.04599, section 2.
- An ordinal head predicts a distribution of its parameter. The true level's place in it,
  `P(below) + P(level) / 2`, is evenly spread from 0 to 1 if the distributions hold; it is binned
  the same way. Source: Kuleshov et al., ICML 2018, arXiv:1807.00263, section 3.2.
- A regression gives no probabilities.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.heads import Heads
from multihead.models.readout import Readouts

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """What was promised, and what came true.

    Attributes:
        kind: `classification` or `ordinal`.
        count: Images in each bin, [15].
        expected: Mean confidence of each bin, or the upper edge of each bin of places, [15].
        observed: Accuracy of each bin, or the share of images up to each edge, [15]; NaN in a bin
            without images.
    """

    kind: str
    count: NDArray[np.float64]
    expected: NDArray[np.float64]
    observed: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error, or the mean distance of shares from edges; 0 to 1."""
        distance = np.abs(np.nan_to_num(self.observed - self.expected))
        if self.kind == "ordinal":
            return float(distance.mean())
        return float(distance @ self.count / max(1.0, self.count.sum()))

    @property
    def metric(self) -> str:
        """What the error is called in metric names."""
        return "quantile_error" if self.kind == "ordinal" else "ece"


class CalibrationSums(nn.Module):
    """Count images, confidence and hits by bin, for each head that gives probabilities.

    Args:
        heads: What is predicted.
    """

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.kinds = {n: head.kind for n, head in heads.items() if head.kind != "regression"}
        self.readouts = Readouts(heads)
        for name in self.kinds:
            self.register_buffer(f"{name}_bins", torch.zeros(3, BINS), persistent=False)

    @torch.no_grad()
    def add(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Add one batch of outputs [B, K] and labels [B] by head name."""
        for name, kind in self.kinds.items():
            probabilities = outputs[name].softmax(1)
            codes = self.readouts[name].label_codes(labels[name])
            if kind == "ordinal":
                of_label = probabilities.gather(1, codes[:, None])[:, 0]
                below = probabilities.cumsum(1).gather(1, codes[:, None])[:, 0]
                place = below - of_label / 2
                bins, weights = (place * BINS).floor(), (place, place)
            else:
                confidence, predicted = probabilities.max(1)
                # A bin holds its upper edge, so that certainty is in the last one.
                bins = (confidence * BINS).ceil() - 1
                weights = (confidence, (predicted == codes).float())
            index = bins.long().clamp(0, BINS - 1)
            ones = torch.ones_like(weights[0])
            for row, weight in enumerate((ones, *weights)):
                self.get_buffer(f"{name}_bins")[row].scatter_add_(0, index, weight)

    def read(self) -> dict[str, Reliability]:
        """Return what was promised and what came true, by head name."""
        return {name: self._read(name) for name in self.kinds}

    def _read(self, name: str) -> Reliability:
        sums = self.get_buffer(f"{name}_bins").double().cpu().numpy()
        count, kind = sums[0], self.kinds[name]
        if kind == "ordinal":
            edges = np.arange(1, BINS + 1) / BINS
            return Reliability(kind, count, edges, count.cumsum() / max(1.0, count.sum()))
        filled = np.where(count > 0, count, np.nan)
        return Reliability(kind, count, sums[1] / filled, sums[2] / filled)

    def reset(self) -> None:
        """Forget everything."""
        for name in self.kinds:
            self.get_buffer(f"{name}_bins").zero_()
