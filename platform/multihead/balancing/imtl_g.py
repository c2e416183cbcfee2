"""A direction along which every head improves alike, however long its gradient is."""

from typing import cast

import torch
from torch import Tensor

from multihead.balancing.of_gramian import SolvingBalancer

_LEAST = 1e-60  # a squared length that is not 0
_ROUNDING = 1e-5  # cosines come of a Gramian in float32


class IMTLG(SolvingBalancer):
    """Weigh heads so that the step has the same projection onto each head's unit gradient.

    The paper lets the weights sum to 1, and some may be below 0. Where the sum itself would be
    below 0, that turns the step round, and all losses grow; here the step goes the way that they
    fall, so that its direction never depends on the scale of a loss. Gradients that depend on each
    other have the pseudo-inverse, as in TorchJD. Each head's own parameters learn from its own
    loss.
    Source: Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, section 3.1.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        gramian_of: As `GramianBalancer`.
        every: As `GramianBalancer`.
        scaled: As `ScaledBalancer`.
    """

    def solve(self, gramian: Tensor) -> Tensor:
        """Return weights that sum to 1, or to -1."""
        given = gramian.double()
        lengths = given.diagonal().clamp(min=_LEAST).sqrt()
        cosines = given / lengths.outer(lengths)
        # Of unit gradients, for which a long one does not hide a short one in the rounding.
        inverse = torch.linalg.pinv(cosines, rtol=_ROUNDING, hermitian=True)
        weights = inverse.sum(1) / lengths
        return cast(Tensor, weights / weights.sum().abs())
