"""Losses on a log scale, and gradients of equal length."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from multihead.balancing.balancer import GramianOf
from multihead.balancing.of_gramian import GramianBalancer
from multihead.errors import ConfigError
from multihead.heads import Heads

_SMALL = 1e-12


class DBMTL(GramianBalancer):
    """Weigh heads so that the gradients of log L_t are all as long as the longest.

    This is the diagonal form: the paper averages gradients over batches, and here only their
    squared lengths are averaged, for which the diagonal of the Gramian is enough. Each head's own
    parameters learn from its own loss. (In the paper's code they learn from its logarithm, which an
    optimizer such as Adam levels out.)
    Source: Lin et al., Dual-Balancing for Multi-Task Learning, 2023, arXiv:2308.12029.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        beta: Share of the earlier average that stays, 0 to below 1; 0 for none. The paper tunes
            it, and lets it fall with the batches.
        gramian_of: As `GramianBalancer`.
        every: As `GramianBalancer`.
        scaled: As `ScaledBalancer`.
    """

    squares: Tensor

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        beta: float = 0.9,
        gramian_of: GramianOf = "shared",
        every: int = 1,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, gramian_of=gramian_of, every=every, scaled=scaled)
        if not 0 <= beta < 1:
            raise ConfigError(f"model.balancer.beta is {beta}; give a number from 0 to below 1.")
        self.beta = beta
        # NaN: not seen yet.
        self.register_buffer("squares", torch.full((len(heads),), float("nan")))

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return max(n) / (n_t L_t), n_t the averaged length of the gradient of log L_t."""
        losses = losses.clamp(min=_SMALL)
        found = cast(Tensor, gramian).diagonal().clamp(min=0) / losses.square()
        mixed = self.beta * self.squares + (1 - self.beta) * found
        mixed = torch.where(self.squares.isnan(), found, mixed)
        # A gradient that overflows is of its batch alone.
        self.squares = torch.where(seen & found.isfinite(), mixed, self.squares)
        lengths = torch.where(seen, mixed, 0).sqrt()
        return lengths.max() / (lengths.clamp(min=_SMALL) * losses)
