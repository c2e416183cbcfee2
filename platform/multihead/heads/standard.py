"""Standard scores of labels: mean 0 and standard deviation 1 over the training labels."""

import math
from dataclasses import dataclass

from torch import Tensor

from multihead.heads.readout import widest

# Largest x for which exp(x) is a finite float32, the type of labels.
_LARGEST_EXPONENT = 88.0


@dataclass(frozen=True)
class Standard:
    """Converts labels to standard scores and back, in float64 if the device supports it.

    Attributes:
        mean: Mean of the labels, or of their natural logarithms.
        deviation: Standard deviation of the same; above 0.
        log: Whether logarithms are standardised.
    """

    mean: float
    deviation: float
    log: bool

    @property
    def centre(self) -> float:
        """The label whose score is 0. Sums use distances from it, to keep precision."""
        return math.exp(min(self.mean, _LARGEST_EXPONENT)) if self.log else self.mean

    def scores(self, labels: Tensor) -> Tensor:
        """Return the standard scores of labels in the unit; the shape stays the same."""
        values = widest(labels)
        return ((values.log() if self.log else values) - self.mean) / self.deviation

    def values(self, scores: Tensor) -> Tensor:
        """Return values in the unit for standard scores; the shape stays the same."""
        found = widest(scores) * self.deviation + self.mean
        return found.clamp(max=_LARGEST_EXPONENT).exp() if self.log else found
