"""Losses brought to a common scale that is learned."""

import torch
from torch import Tensor

from multihead.balancing.uncertainty import LearnedScales


class IMTLL(LearnedScales):
    """Learn one scale per head, so that all scaled losses are alike.

    Minimises sum_t exp(s_t) w_t L_t - s_t with s_t learned from 0 on and w_t the static weight; at
    its optimum exp(s_t) w_t L_t = 1 for every head. A head without a label in the batch leaves its
    s_t as it is. All parameters learn from the weighted losses.
    Source: Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, section 3.2.
    """

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return w_t exp(s_t), through which s_t learns."""
        return self.base * torch.exp(self.scales)

    def penalty(self, present: Tensor) -> Tensor:
        """Return minus the sum of s_t over the heads that are present."""
        return -(self.scales * present).sum()
