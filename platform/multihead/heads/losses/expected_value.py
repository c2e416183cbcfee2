"""Distance of the expected value from the true value, for ordered levels."""

from torch import Tensor, nn
from torch.nn import functional

from multihead.heads.head import Head
from multihead.heads.losses.distances import (
    DISTANCES,
    MEASURES,
    Distance,
    Measure,
    check_choice,
    check_number,
    distance_of,
    levels_of,
)
from multihead.heads.readout import expected_offset
from multihead.heads.scale import Scale


class ExpectedValueLoss(nn.Module):
    """Distance of the mean of the predicted distribution from the label, in the parameter's unit.

    With p = softmax(logits), x_k the value of level k and y the label,

        L = D(sum_k p_k x_k, x_y) + cross_entropy * (-log p_y)

    where D is |e| (`l1`), e^2 (`l2`) or Huber's function of the error e (`huber`: e^2 / 2 up to
    |e| = delta, then delta * (|e| - delta / 2)). The first term does not determine the shape of the
    distribution. The small cross-entropy term makes it a single peak at the label.

    Source of the expected value of a softmax over bins as an estimate: Rothe, Timofte & Van Gool,
    DEX, IJCV 2018.

    Args:
        head: A head with a parameter and one output per level.
        distance: `l1`, `l2` or `huber`.
        delta: The error at which Huber's function becomes linear, above 0, in the unit of
            `measure`; the parameter's tolerance if None.
        cross_entropy: Weight of the second term, 0 or more.
        measure: With `unit`, e is in the parameter's unit, and so is D (squared for `l2` and
            `huber`). With `range`, e is in percent of maximum - minimum, so heads with different
            units have equal weight.

    Shape:
        logits [B, K] and levels int64 [B] to the mean over the batch [], or with
        `reduction = "none"` to [B].

    Raises:
        ConfigError: If the head has no levels, or a value is outside its range.
    """

    def __init__(
        self,
        head: Head,
        distance: Distance = "l1",
        delta: float | None = None,
        cross_entropy: float = 0.1,
        measure: Measure = "unit",
    ) -> None:
        super().__init__()
        parameter, name = levels_of(head, "ExpectedValueLoss"), "ExpectedValueLoss"
        check_choice(name, "distance", distance, DISTANCES)
        check_choice(name, "measure", measure, MEASURES)
        check_number(name, "cross_entropy", cross_entropy, least=0, open_=False)
        self.scale = Scale(parameter)
        percent = (parameter.maximum - parameter.minimum) / 100
        self.per_unit = 1 / percent if measure == "range" else 1.0
        self.delta = parameter.tolerance * self.per_unit if delta is None else delta
        check_number(name, "delta", self.delta, least=0, open_=True)
        self.distance, self.cross_entropy, self.reduction = distance, cross_entropy, "mean"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        expected = expected_offset(self.scale, logits)
        true = self.scale.offsets[labels].to(logits.dtype)
        if self.per_unit != 1:
            expected, true = expected * self.per_unit, true * self.per_unit
        far = distance_of(expected, true, self.distance, self.delta, self.reduction)
        entropy = functional.cross_entropy(logits, labels, reduction=self.reduction)
        return far + self.cross_entropy * entropy
