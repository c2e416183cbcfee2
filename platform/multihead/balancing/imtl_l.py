"""IMTL-L: scale all losses to a common value with learned scales."""

import torch
from torch import Tensor

from multihead.balancing.uncertainty import LearnedScales


class IMTLL(LearnedScales):
    """Learn one scale per head, so that all scaled losses are equal.

    Minimises sum_t exp(s_t) w_t L_t - s_t, where s_t is learned and starts at 0, and w_t is the
    static weight. At the optimum, exp(s_t) w_t L_t = 1 for every head. The s_t of a head without a
    label in the batch does not change. All parameters learn from the weighted losses.
    Source: Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, section 3.2.
    """

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return w_t exp(s_t), [T], with a gradient for s_t."""
        return self.base * torch.exp(self.scales)

    def penalty(self, present: Tensor) -> Tensor:
        """Return minus the sum of s_t over the heads that are present."""
        return -(self.scales * present).sum()
