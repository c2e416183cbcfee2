"""Methods of torchjd that make one number of the losses."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from multihead.balancing.scaled import ScaledBalancer
from multihead.heads import Heads


class ScalarizerWeighting(ScaledBalancer):
    """Weigh each loss by the derivative of a scalarizer of torchjd with respect to it.

    For scalarizers without a state: GeometricMean (gls) and STCH among others.

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
