"""UW-SO: weights from a softmax of the inverse losses."""

from collections.abc import Mapping

from torch import Tensor

from multihead.balancing.scaled import ScaledBalancer
from multihead.balancing.weights import positive
from multihead.heads import Heads


class SoftOptimalUncertainty(ScaledBalancer):
    """Weight each head by softmax(1 / (T L_t)), where T is the temperature.

    1 / L_t is the optimum of the learned weight in uncertainty weighting. The softmax makes the
    weights less extreme. All parameters learn from the weighted losses.
    Source: Kirchdorfer et al., Analytical Uncertainty-Based Loss Weighting in Multi-Task Learning,
    GCPR 2024, arXiv:2408.07985.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        temperature: Above 0; a larger value makes the weights more equal. The paper tunes it.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: If `temperature` is not above 0.
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
        """Return the softmax over the heads in `seen`, [T]."""
        inverse = 1 / (self.temperature * losses.clamp(min=1e-8))
        return inverse.masked_fill(~seen, -float("inf")).softmax(0)
