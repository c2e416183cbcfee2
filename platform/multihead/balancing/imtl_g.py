"""IMTL-G: a step with equal projections onto the gradients of all heads."""

from typing import cast

import torch
from torch import Tensor

from multihead.balancing.of_gramian import SolvingBalancer

_LEAST = 1e-60  # smallest squared norm, to avoid a division by 0
_ROUNDING = 1e-5  # rounding error of the cosines, which come from a Gramian in float32


class IMTLG(SolvingBalancer):
    """Weight heads so that the step has the same projection onto each head's unit gradient.

    In the paper the weights sum to 1, and some may be below 0. If the sum before this normalisation
    is negative, the normalisation reverses the step, and all losses increase. Here the step keeps
    the direction in which they decrease, so it does not depend on the scale of a loss. For linearly
    dependent gradients the pseudo-inverse is used, as in TorchJD. Each head's own parameters learn
    from its own loss.
    Source: Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, section 3.1.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        gramian_of: As in `GramianBalancer`.
        every: As in `GramianBalancer`.
        scaled: As in `ScaledBalancer`.
    """

    def solve(self, gramian: Tensor) -> Tensor:
        """Return weights [n] that sum to 1 or to -1."""
        given = gramian.double()
        lengths = given.diagonal().clamp(min=_LEAST).sqrt()
        cosines = given / lengths.outer(lengths)
        # For unit gradients, so that rounding errors of a large one do not hide a small one.
        inverse = torch.linalg.pinv(cosines, rtol=_ROUNDING, hermitian=True)
        weights = inverse.sum(1) / lengths
        return cast(Tensor, weights / weights.sum().abs())
