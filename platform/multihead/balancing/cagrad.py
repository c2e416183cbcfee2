"""CAGrad: improve the head that improves least, with a step close to the mean gradient."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from multihead.balancing.balancer import GramianOf
from multihead.balancing.of_gramian import SolvingBalancer
from multihead.balancing.weights import positive
from multihead.heads import Heads

_SMALL = 1e-12


class CAGrad(SolvingBalancer):
    """Maximise the least improvement of a head within a ball around the mean gradient g_0.

    The direction is g_0 + c |g_0| g_w / |g_w|. Here g_w is a combination of the gradients with
    weights w from 0 to 1 that sum to 1, chosen to minimise g_w g_0 + c |g_0| |g_w|.
    Source: Liu et al., Conflict-Averse Gradient Descent, NeurIPS 2021, arXiv:2110.14048, section 3.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        c: Radius of the ball in units of |g_0|, 0 or more. The paper uses 0.4 for scene
            understanding and tunes it elsewhere.
        gramian_of: As in `GramianBalancer`.
        every: As in `GramianBalancer`.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: If `c` is negative or not finite.
    """

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        c: float = 0.4,
        gramian_of: GramianOf = "shared",
        every: int = 1,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, gramian_of=gramian_of, every=every, scaled=scaled)
        self.c = positive(c, "c", or_zero=True)

    def solve(self, gramian: Tensor) -> Tensor:
        """Return 1 / n + c |g_0| w / |g_w|."""
        return torch.from_numpy(_weights(gramian.double().cpu().numpy(), self.c))


def _weights(gramian: np.ndarray, c: float) -> np.ndarray:
    count = len(gramian)
    gramian = gramian / (gramian.trace() / count)  # the weights do not depend on the scale
    mean = np.full(count, 1 / count)
    radius = c * np.sqrt(max(mean @ gramian @ mean, 0.0))

    def length(w: np.ndarray) -> float:
        return float(np.sqrt(max(w @ gramian @ w, 0.0) + _SMALL))

    found = minimize(
        lambda w: mean @ gramian @ w + radius * length(w),
        mean,
        jac=lambda w: gramian @ mean + radius * (gramian @ w) / length(w),
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 200},
    ).x
    return cast(np.ndarray, mean + radius * found / length(found))
