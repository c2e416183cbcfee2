"""Weights from the inverse of the losses, through a softmax."""

from collections.abc import Mapping

from torch import Tensor

from multihead.balancing.scaled import ScaledBalancer
from multihead.balancing.weights import positive
from multihead.heads import Heads


class SoftOptimalUncertainty(ScaledBalancer):
    """Weigh each head by softmax(1 / (T L_t)), with T the temperature.

    1 / L_t is where the learned weight of uncertainty weighting would settle; the softmax makes the
    weights less extreme. All parameters learn from the weighted losses.
    Source: Kirchdorfer et al., Analytical Uncertainty-Based Loss Weighting in Multi-Task Learning,
    GCPR 2024, arXiv:2408.07985.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        temperature: Above 0; a larger one makes the weights more alike. The paper tunes it.
        scaled: As `ScaledBalancer`.
    """

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        temperature: float = 2.0,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, scaled=scaled)
        self.temperature = positive(temperature, "temperature")

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the softmax over the heads that are seen."""
        inverse = 1 / (self.temperature * losses.clamp(min=1e-8))
        return inverse.masked_fill(~seen, -float("inf")).softmax(0)
