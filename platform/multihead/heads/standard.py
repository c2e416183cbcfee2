"""Numbers as a network learns them: of mean 0 and deviation 1 over the training labels."""

import math
from dataclasses import dataclass

from torch import Tensor

from multihead.heads.readout import widest

# The largest exponent of e whose power is a float32, as labels are.
_LARGEST_EXPONENT = 88.0


@dataclass(frozen=True)
class Standard:
    """Turn labels in their unit into standard scores and back, in float64 where the device has it.

    Attributes:
        mean: Of the labels, or of their natural logarithms.
        deviation: As `mean`; above 0.
        log: Whether logarithms are standardised.
    """

    mean: float
    deviation: float
    log: bool

    @property
    def centre(self) -> float:
        """The label whose score is 0; errors are summed around it, so that digits last."""
        return math.exp(min(self.mean, _LARGEST_EXPONENT)) if self.log else self.mean

    def scores(self, labels: Tensor) -> Tensor:
        """Return the standard scores of labels in the unit, any shape to the same."""
        values = widest(labels)
        return ((values.log() if self.log else values) - self.mean) / self.deviation

    def values(self, scores: Tensor) -> Tensor:
        """Return labels in the unit of standard scores, any shape to the same."""
        found = widest(scores) * self.deviation + self.mean
        return found.clamp(max=_LARGEST_EXPONENT).exp() if self.log else found
