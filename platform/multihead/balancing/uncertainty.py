"""Weights learned as the noise of each head."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from multihead.balancing.balancer import Balancer
from multihead.heads import Heads


class LearnedScales(Balancer):
    """A method that learns one number per head, from 0 on.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Of the losses beside the learned ones, by head name.
    """

    def __init__(self, heads: Heads, weights: Mapping[str, float] | None = None) -> None:
        super().__init__(heads, weights)
        self.log_variances = nn.ParameterList(torch.zeros(()) for _ in heads)

    @property
    def scales(self) -> Tensor:
        """The learned numbers, [T]."""
        return torch.stack([*self.log_variances])

    def parameters_of(self, index: int) -> Sequence[nn.Parameter]:
        """Return the one number of a head."""
        return (self.log_variances[index],)


class UncertaintyWeighting(LearnedScales):
    """Weigh heads by learned noise, so that loss scales need no tuning by hand.

    Minimises sum_t w_t exp(-s_t) L_t + s_t / 2 with s_t = log(sigma_t^2) learned from 0 on, and
    w_t the static weight: the paper's factor is 1 for a cross-entropy and 1/2 for a squared error.
    A head without a label in the batch leaves its s_t as it is. All parameters learn from the
    weighted losses.
    Source: Kendall, Gal & Cipolla, CVPR 2018, arXiv:1705.07115, section 3.
    """

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return w_t exp(-s_t), through which s_t learns."""
        return self.base * torch.exp(-self.scales)

    def penalty(self, present: Tensor) -> Tensor:
        """Return half the sum of s_t over the heads that are present."""
        return (self.scales * present).sum() / 2
