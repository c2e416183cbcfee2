"""DB-MTL: losses on a log scale, and gradients of equal norm."""

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
    """Weight heads so that the gradients of log L_t all have the largest norm among them.

    The paper averages gradients over batches. Here only their squared norms are averaged, which
    needs just the diagonal of the Gramian. Each head's own parameters learn from its own loss. (In
    the paper's code they learn from its logarithm; with an optimizer such as Adam there is little
    difference.)
    Source: Lin et al., Dual-Balancing for Multi-Task Learning, 2023, arXiv:2308.12029.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        beta: Share of the previous average that is kept, 0 to below 1; 0 means no averaging. The
            paper tunes it and decreases it during training.
        gramian_of: As in `GramianBalancer`.
        every: As in `GramianBalancer`.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: If `beta` is not from 0 to below 1.
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
        # NaN means that the head was not seen yet.
        self.register_buffer("squares", torch.full((len(heads),), float("nan")))

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return max(n) / (n_t L_t), where n_t is the averaged norm of the gradient of log L_t."""
        losses = losses.clamp(min=_SMALL)
        found = cast(Tensor, gramian).diagonal().clamp(min=0) / losses.square()
        mixed = self.beta * self.squares + (1 - self.beta) * found
        mixed = torch.where(self.squares.isnan(), found, mixed)
        # A gradient that overflows must not change the average.
        self.squares = torch.where(seen & found.isfinite(), mixed, self.squares)
        lengths = torch.where(seen, mixed, 0).sqrt()
        return lengths.max() / (lengths.clamp(min=_SMALL) * losses)
