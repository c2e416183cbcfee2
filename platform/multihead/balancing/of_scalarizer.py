"""Methods of torchjd that make one number of the losses."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from multihead.balancing.scaled import ScaledBalancer
from multihead.heads import Heads


class ScalarizerWeighting(ScaledBalancer):
    """Weigh each loss by the derivative of a scalarizer of torchjd with respect to it.

    For scalarizers without a state, of which two ship. All parameters learn from the weighted
    losses.

    - GeometricMean, the `gls` of Chennupati et al., CVPR workshops 2019, arXiv:1904.08492.
    - STCH of Lin et al., ICML 2024, arXiv:2402.19078, with equal preferences and an ideal of 0. The
      losses are taken as they are, as in the paper's formula; so losses of one scale are needed,
      or static weights that bring them to one. The paper's code for networks takes logarithms of
      losses over their mean in an epoch of warming up, with mu 1. `mu` is one that the paper tries.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        scalarizer: Of `torchjd.scalarization`; takes losses [n] and returns a scalar.
        scaled: As `ScaledBalancer`.
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
        """Return the derivatives."""
        places = self.subset(seen)
        given = losses if places is None else losses[places]
        with torch.enable_grad(), torch.autocast(losses.device.type, enabled=False):
            given = given.detach().requires_grad_()
            found = torch.autograd.grad(cast(Tensor, self.scalarizer(given)), given)[0]
        return (
            found if places is None else losses.new_ones(losses.shape).index_copy(0, places, found)
        )
