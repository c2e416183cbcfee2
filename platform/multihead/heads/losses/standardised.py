"""Distance of one output from the label's standard score."""

from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads.head import Head
from multihead.heads.losses.distances import (
    DISTANCES,
    Distance,
    check_choice,
    check_number,
    distance_of,
)
from multihead.heads.standard import Standard


class StandardisedLoss(nn.Module):
    """Distance between a single output and the standard score of a label.

    The score of a label y is (y - mean) / deviation, with mean and standard deviation of the
    training labels, or the same of log y. So the losses of heads with different units have the same
    scale. The loss is D(e), the mean over the batch of e^2 (`l2`), |e| (`l1`) or Huber's function
    (`huber`, see `distances`).

    Args:
        head: A regression of float labels.
        distance: `l1`, `l2` or `huber`.
        delta: The error at which Huber's function becomes linear, in standard deviations, above 0.

    Shape:
        outputs [B, 1] and labels float [B] to the mean over the batch [], or with
        `reduction = "none"` to [B].

    Raises:
        ConfigError: If the head is of another kind, or a value is outside its range.
    """

    def __init__(self, head: Head, distance: Distance = "l2", delta: float = 1.0) -> None:
        super().__init__()
        standard = getattr(head.kind, "standard", None)
        if not isinstance(standard, Standard):
            raise ConfigError(
                f"StandardisedLoss is for a regression of float labels, but head "
                f"{head.name!r} is of kind {head.kind.name}; choose another criterion."
            )
        check_choice("StandardisedLoss", "distance", distance, DISTANCES)
        check_number("StandardisedLoss", "delta", delta, least=0, open_=True)
        self.standard, self.distance, self.delta = standard, distance, delta
        self.reduction = "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        predicted = outputs[:, 0]
        true = self.standard.scores(labels).to(predicted.dtype)
        return distance_of(predicted, true, self.distance, self.delta, self.reduction)
