"""Distance of one output from the label."""

from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads.head import Head
from multihead.heads.losses.distances import (
    DISTANCES,
    MEASURES,
    Distance,
    Measure,
    check_choice,
    check_number,
    distance_of,
)
from multihead.heads.readout import regressed_share
from multihead.heads.scale import Scale


class RegressionLoss(nn.Module):
    """Distance between a single output and the label.

    The output z predicts the position u in the range: u = sigmoid(z) for a bounded head, else
    u = 1/2 + z/4. So a new network starts in the middle. The value is
    minimum + u (maximum - minimum), or minimum (maximum / minimum)^u on a log scale.
    The loss is D(e), the mean over the batch of |e| (`l1`), e^2 (`l2`) or Huber's function
    (`huber`: e^2 / 2 up to |e| = delta, then delta * (|e| - delta / 2)).

    Args:
        head: A regression of a parameter.
        distance: `l1`, `l2` or `huber`.
        delta: The error at which Huber's function becomes linear, above 0, in the unit of
            `measure`; a hundredth of the range if None.
        measure: With `range`, e is the difference of the positions u in percent. So heads in Hz and
            in semitones have equal weight, and a log scale measures ratios. With `unit`, e is the
            difference of the values, in the parameter's unit.

    Shape:
        outputs [B, 1] and labels [B] to the mean over the batch [], or with
        `reduction = "none"` to [B]. Integer labels are levels; floating-point labels are values
        in the unit.

    Raises:
        ConfigError: If the head is of another kind, or a value is outside its range.
    """

    def __init__(
        self,
        head: Head,
        distance: Distance = "huber",
        delta: float | None = None,
        measure: Measure = "range",
    ) -> None:
        super().__init__()
        name, parameter = "RegressionLoss", head.parameter
        if head.outputs != 1 or parameter is None:
            raise ConfigError(
                f"RegressionLoss is for heads with one output, but head {head.name!r} is of kind "
                f"{head.kind.name}; choose another criterion, or "
                f"data.head_kinds.{head.name}=regression."
            )
        check_choice(name, "distance", distance, DISTANCES)
        check_choice(name, "measure", measure, MEASURES)
        self.scale = Scale(parameter)
        self.bounded = bool(getattr(head.kind, "bounded", False))
        percent = (parameter.maximum - parameter.minimum) / 100 if measure == "unit" else 1.0
        self.delta = percent if delta is None else delta
        check_number(name, "delta", self.delta, least=0, open_=True)
        self.distance, self.measure, self.reduction = distance, measure, "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        predicted = regressed_share(outputs, bounded=self.bounded)
        if self.measure == "range":
            predicted, true = 100 * predicted, 100 * self.scale.shares_of_labels(labels)
        else:
            predicted, true = self.scale.from_share(predicted), self.scale.of_labels(labels)
        true = true.to(predicted.dtype)
        return distance_of(predicted, true, self.distance, self.delta, self.reduction)
