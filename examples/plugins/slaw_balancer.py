"""A balancer: SLAW, which divides the loss of each head by its running standard deviation."""

from collections.abc import Mapping

import torch
from torch import Tensor

from multihead import Heads
from multihead.balancing import Balancer


class SLAW(Balancer):
    """Weighs each head by the inverse of the running standard deviation of its loss.

    The standard deviation is an estimate of the norm of the head's gradient. GradNorm measures this
    norm with a backward pass per head. The weights of the heads in a batch have the same sum as
    their `loss_weights`.

    Source: Crawshaw & Kosecka, SLAW: Scaled Loss Approximate Weighting for Efficient Multi-Task
    Learning, arXiv:2109.08218, algorithm 1.

    Args:
        heads: The T heads, in the order of the losses.
        weights: Static weights by head name.
        decay: Decay of the running means, 0 or more and below 1.
    """

    def __init__(
        self, heads: Heads, weights: Mapping[str, float] | None = None, decay: float = 0.99
    ) -> None:
        super().__init__(heads, weights)
        self.decay = decay
        # Buffers are part of each checkpoint, so resumed training continues with them.
        self.register_buffer("mean", torch.zeros(len(heads)))
        self.register_buffer("square", torch.zeros(len(heads)))

    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the weights [T]. A head without labels in the batch keeps its means."""
        keep = torch.where(present, self.decay, 1.0)
        self.mean = keep * self.mean + (1 - keep) * losses
        self.square = keep * self.square + (1 - keep) * losses.square()
        deviation = (self.square - self.mean.square()).clamp(min=1e-10).sqrt()
        base = self.base * present
        weights = base / deviation
        return weights * base.sum() / weights.sum().clamp(min=1e-10)
