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

    The score of a label y is (y - mean) / deviation with those of the training labels, or that of
    log y on a log scale: heads of any unit have losses of one size. The loss is D(e), the mean over
    the batch of e^2 (`l2`), |e| (`l1`) or Huber's function (`huber`, see `distances`).

    Args:
        head: A regression of labels that are numbers as they are.
        distance: `l1`, `l2` or `huber`.
        delta: Where Huber's function becomes linear, in deviations, above 0.

    Shape:
        outputs [B, 1] and labels float [B] to the mean over the batch [], or with
        `reduction = "none"` to [B].

    Raises:
        ConfigError: For a head of another kind, or a value outside its range.
    """

    def __init__(self, head: Head, distance: Distance = "l2", delta: float = 1.0) -> None:
        super().__init__()
        standard = getattr(head.kind, "standard", None)
        if not isinstance(standard, Standard):
            raise ConfigError(
                f"StandardisedLoss is for a regression of numbers as they are, but head "
                f"{head.name!r} is of kind {head.kind.name}; choose another criterion."
            )
        check_choice("StandardisedLoss", "distance", distance, DISTANCES)
        check_number("StandardisedLoss", "delta", delta, least=0, open_=True)
        self.standard, self.distance, self.delta = standard, distance, delta
        self.reduction = "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, as `reduction` says."""
        predicted = outputs[:, 0]
        true = self.standard.scores(labels).to(predicted.dtype)
        return distance_of(predicted, true, self.distance, self.delta, self.reduction)
