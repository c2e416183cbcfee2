"""RLW: random weights, a baseline for other methods."""

import torch
from torch import Tensor

from multihead.balancing.scaled import ScaledBalancer


class RandomWeighting(ScaledBalancer):
    """Weight heads by the softmax of numbers drawn from a normal distribution in every batch.

    All parameters learn from the weighted losses.
    Source: Lin et al., Reasonable Effectiveness of Random Weighting, TMLR 2022, arXiv:2111.10603.
    """

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the softmax over the heads in `seen`, [T]."""
        with self.drawing():
            drawn = torch.randn(len(losses), device="cpu")
        return drawn.to(losses).masked_fill(~seen, -float("inf")).softmax(0)
