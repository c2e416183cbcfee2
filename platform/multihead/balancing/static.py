"""Fixed weights: the scalar is the sum over heads of weight times loss."""

from typing import ClassVar

from torch import Tensor

from multihead.balancing.balancer import Balancer


class StaticWeights(Balancer):
    """Weight heads by `model.loss_weights`, which a study can search."""

    changes: ClassVar[bool] = False

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the static weights, [T]."""
        return self.base
