"""GradNorm: weights that bring the heads' gradient norms to a goal set by their training rates."""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor

from multihead.balancing.balancer import GramianOf
from multihead.balancing.of_gramian import GramianBalancer
from multihead.balancing.weights import positive
from multihead.heads import Heads

_LEAST = 0.01  # a weight of 0 could never grow again


class GradNorm(GramianBalancer):
    """Learn weights w so that w_t |g_t| approaches mean(w |g|) r_t^alpha.

    r_t is the remaining loss, L_t / L_t(first), divided by its mean over heads; L_t(first) is the
    loss in the first batch with a label. The norms |g_t| come from the diagonal of the Gramian, so
    they include all shared parameters; the paper uses the last shared layer. The weights make a
    plain gradient step (the paper's code uses Adam). The step is divided by the mean norm, so that
    the learning rate does not depend on the scale of the losses. As in the paper, the weights are
    then scaled to a mean of 1. All parameters learn from the weighted losses.
    Source: Chen et al., GradNorm, ICML 2018, arXiv:1711.02257, algorithm 1.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        alpha: 0 or more; a larger value gives slow heads more weight. At most 1.5 in the paper.
        lr: Learning rate of the weights, above 0; 0.025 in the paper.
        gramian_of: As in `GramianBalancer`.
        every: As in `GramianBalancer`.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: For a value outside these ranges.
    """

    only_shared: ClassVar[bool] = False
    first: Tensor

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        alpha: float = 1.5,
        lr: float = 0.025,
        gramian_of: GramianOf = "shared",
        every: int = 1,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, gramian_of=gramian_of, every=every, scaled=scaled)
        self.alpha, self.lr = positive(alpha, "alpha", or_zero=True), positive(lr, "lr")
        self.register_buffer("first", torch.full((len(heads),), float("nan")))

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the weights after their step."""
        self.first = torch.where(seen & self.first.isnan(), losses, self.first)
        lengths = cast(Tensor, gramian).diagonal().clamp(min=0).sqrt()
        left = losses / self.first
        count = seen.sum()
        rates = left / (torch.where(seen, left, 0).sum() / count)
        weighted = self.kept * lengths
        goal = torch.where(seen, weighted, 0).sum() / count * rates**self.alpha
        mean = torch.where(seen, lengths, 0).sum() / count
        step = torch.sign(weighted - goal) * lengths / mean.clamp(min=1e-12)
        moved = (self.kept - self.lr * step).clamp(min=_LEAST)
        total = torch.where(seen, moved, 0).sum()
        restored = moved * torch.where(seen, self.kept, 0).sum() / total
        # A gradient that overflows must not change the weights.
        return torch.where(torch.isfinite(total), restored, self.kept)
