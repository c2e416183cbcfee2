"""Methods of torchjd that turn the losses into a scalar."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from multihead.balancing.scaled import ScaledBalancer
from multihead.heads import Heads


class ScalarizerWeighting(ScaledBalancer):
    """Weight each loss by the derivative of a torchjd scalarizer with respect to it.

    The scalarizer must have no state. All parameters learn from the weighted losses. Two shipped
    configurations use this class:

    - `gls`: GeometricMean, Chennupati et al., CVPR workshops 2019, arXiv:1904.08492.
    - `stch`: STCH of Lin et al., ICML 2024, arXiv:2402.19078, with equal preferences and an ideal
      point of 0. As in the paper's formula, the losses are used directly. So they need the same
      scale, or static weights that give them the same scale. The paper's code for networks uses
      logarithms of losses divided by their mean in a warm-up epoch, with mu 1. The shipped `mu` is
      one of the paper's values.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        scalarizer: A scalarizer of `torchjd.scalarization`: losses [n] to a scalar [].
        scaled: As in `ScaledBalancer`.
    """

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        scalarizer: nn.Module,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, scaled=scaled)
        self.scalarizer = scalarizer

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the derivatives of the scalarizer, [T]."""
        places = self.subset(seen)
        given = losses if places is None else losses[places]
        with torch.enable_grad(), torch.autocast(losses.device.type, enabled=False):
            given = given.detach().requires_grad_()
            found = torch.autograd.grad(cast(Tensor, self.scalarizer(given)), given)[0]
        return (
            found if places is None else losses.new_ones(losses.shape).index_copy(0, places, found)
        )
