"""What a balancer is: per-head losses to the scalar that is back-propagated.

A balancer sees losses [T] in Heads order and which heads have labels: no images, no network, no
logger. A new method is one subclass in a file of its own, also outside this package, and
`model.balancer._target_` names it.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from multihead.balancing.weights import complete_weights
from multihead.heads import Heads

GramianOf = Literal["shared", "features"]


class Balancer(nn.Module):
    """Weigh the losses of the heads in each step.

    What is learned is an `nn.Parameter`; it has an optimizer group of its own, without weight
    decay. What a method keeps between steps is a buffer, so that it is part of each checkpoint.
    With one head every method is plain training: neither `weigh` nor `penalty` is called.

    Args:
        heads: Fixes T and the order of the losses.
        weights: `model.loss_weights`: by head name, 1 where there is none.

    Attributes:
        changes: Whether the weights change while training, so that they are worth a curve.
        needs_gramian: Whether `weigh` is given the inner products of the heads' gradients. They
            cost one backward pass per head.
        only_shared: Whether the weights are meant for what the heads share alone. The parameters
            of a head then learn from its loss times its static weight.
        gramian_of: Whether the gradients are those of the shared parameters, or of the features
            that the backbone returns, which only asks for backward passes of the heads.
        every: Batches from one Gramian to the next; `weigh` is given None in between.
        batch: Number of the batch in this training, from 0 on; set before each.
        base: The given weights, [T].
        everyone: That all heads are present, bool [T].

    Raises:
        ConfigError: For a weight that is negative, not finite or of an unknown head, or if all
            weights are 0.
    """

    changes: ClassVar[bool] = True
    needs_gramian: ClassVar[bool] = False
    only_shared: ClassVar[bool] = False
    gramian_of: GramianOf = "shared"
    every: int = 1
    batch: int = 0
    base: Tensor
    everyone: Tensor

    def __init__(self, heads: Heads, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        values = complete_weights(heads, weights or {}, "loss_weights")
        self.register_buffer("base", torch.tensor(values), persistent=False)
        self.register_buffer("everyone", torch.ones(len(heads), dtype=torch.bool), persistent=False)

    @abstractmethod
    def weigh(self, losses: Tensor, present: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the weight of each head's loss in this step, [T].

        Args:
            losses: Without gradient, [T]; 0 for a head that is not present.
            present: Which heads have a label in this batch, bool [T].
            gramian: Inner products of the gradients of the losses, [T, T]; None unless
                `needs_gramian`, and in batches that `every` leaves out.
        """

    def parameters_of(self, index: int) -> Sequence[nn.Parameter]:
        """Return the parameters that belong to one head, which rest while it has no label.

        Args:
            index: Of the head, 0 to T - 1.
        """
        return ()

    def penalty(self, present: Tensor) -> Tensor | None:
        """Return what is minimised beside the weighted losses, a scalar; None for nothing.

        Args:
            present: Which heads have a label in this batch, bool [T].
        """
        return None

    def end_epoch(self) -> None:
        """Take note that an epoch of training has ended."""
        return

    @property
    def is_alone(self) -> bool:
        """Whether there is one head, so that there is nothing to weigh."""
        return len(self.base) == 1

    @property
    def asks_now(self) -> bool:
        """Whether this batch needs a Gramian."""
        return self.needs_gramian and not self.is_alone and self.batch % self.every == 0

    def forward(
        self, losses: Tensor, present: Tensor | None = None, gramian: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the scalar that is back-propagated, and the weights [T] without gradient.

        Args:
            losses: [T], in nats or squared label units.
            present: Which heads have a label in this batch, bool [T]; all if None.
            gramian: As `weigh` says.
        """
        if present is None:
            present = self.everyone
        if self.is_alone:
            return (losses * self.base).sum(), self.base
        weights = self.weigh(losses.detach(), present, gramian)
        # No inner product: autocast would do that in 16 bits, and 0.8 would become 0.801.
        total = (losses * weights).sum()
        further = self.penalty(present)
        return (total if further is None else total + further), weights.detach()
