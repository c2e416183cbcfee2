"""Uncertainty weighting: learn the noise of each head and derive its weight."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from multihead.balancing.balancer import Balancer
from multihead.heads import Heads


class LearnedScales(Balancer):
    """A method that learns one number per head, which starts at 0.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
    """

    def __init__(self, heads: Heads, weights: Mapping[str, float] | None = None) -> None:
        super().__init__(heads, weights)
        self.log_variances = nn.ParameterList(torch.zeros(()) for _ in heads)

    @property
    def scales(self) -> Tensor:
        """The learned numbers, [T]."""
        return torch.stack([*self.log_variances])

    def parameters_of(self, index: int) -> Sequence[nn.Parameter]:
        """Return the learned number of a head."""
        return (self.log_variances[index],)


class UncertaintyWeighting(LearnedScales):
    """Weight heads by learned noise, so that loss scales need no manual tuning.

    Minimises sum_t w_t exp(-s_t) L_t + s_t / 2, where s_t = log(sigma_t^2) is learned and starts at
    0. w_t is the static weight; in the paper it is 1 for a cross-entropy and 1/2 for a squared
    error. The s_t of a head without a label in the batch does not change. All parameters learn from
    the weighted losses.
    Source: Kendall, Gal & Cipolla, CVPR 2018, arXiv:1705.07115, section 3.
    """

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return w_t exp(-s_t), [T], with a gradient for s_t."""
        return self.base * torch.exp(-self.scales)

    def penalty(self, present: Tensor) -> Tensor:
        """Return half the sum of s_t over the heads that are present."""
        return (self.scales * present).sum() / 2
