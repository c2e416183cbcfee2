"""A balancer as a user writes one: outside the package, with a state and a Gramian."""

import torch
from torch import Tensor

from multihead.balancing import Balancer


class RunningNorms(Balancer):
    """Weigh heads by the inverse of their running gradient norms."""

    needs_gramian = True

    def __init__(self, heads, weights=None) -> None:
        super().__init__(heads, weights)
        self.register_buffer("norms", torch.ones(len(heads)))

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor) -> Tensor:
        self.norms.lerp_(gramian.diagonal().clamp(min=1e-12).sqrt(), 0.1)
        weights = self.base / self.norms
        return weights * self.base.sum() / weights.sum()
