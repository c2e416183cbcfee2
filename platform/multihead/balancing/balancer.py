"""The interface of a balancer, which turns per-head losses into the scalar to back-propagate.

A balancer sees the losses [T] in Heads order, and which heads have labels. It sees no images, no
network and no logger. A new method is a subclass, also outside this package, that
`model.balancer._target_` names.
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
    """Weight the losses of the heads in each step.

    A learned value is an `nn.Parameter`; these have their own optimizer group without weight decay.
    A state between steps is a buffer, so that it is part of each checkpoint. With one head, every
    method is plain training: neither `weigh` nor `penalty` is called.

    Args:
        heads: Fixes T and the order of the losses.
        weights: `model.loss_weights` by head name; 1 for a head without one.

    Attributes:
        changes: Whether the weights change during training, so that they are logged.
        needs_gramian: Whether `weigh` gets the inner products of the heads' gradients. They cost
            one backward pass per head.
        only_shared: Whether the weights apply only to the parameters that all heads share. The
            parameters of a head then learn from its loss times its static weight.
        gramian_of: `shared` for gradients of the shared parameters, `features` for gradients of the
            backbone's output. The latter need only backward passes through the heads.
        every: Batches from one Gramian to the next; `weigh` gets None in between.
        batch: Number of the batch in this training, from 0 on; it is set before each batch.
        base: The static weights, [T].
        everyone: A tensor that says that all heads are present, bool [T].

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
            gramian: Inner products of the gradients of the losses, [T, T]. It is None if
                `needs_gramian` is false, and in batches that `every` skips.
        """

    def parameters_of(self, index: int) -> Sequence[nn.Parameter]:
        """Return the balancer's parameters of one head, which do not change while it has no label.

        Args:
            index: Index of the head, 0 to T - 1.
        """
        return ()

    def penalty(self, present: Tensor) -> Tensor | None:
        """Return a scalar to add to the weighted losses, or None.

        Args:
            present: Which heads have a label in this batch, bool [T].
        """
        return None

    def end_epoch(self) -> None:
        """Update the state at the end of a training epoch."""
        return

    @property
    def is_alone(self) -> bool:
        """Whether there is only one head, so that no weights are needed."""
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
            gramian: As for `weigh`.
        """
        if present is None:
            present = self.everyone
        if self.is_alone:
            return (losses * self.base).sum(), self.base
        weights = self.weigh(losses.detach(), present, gramian)
        # Not an inner product, which autocast would compute in 16 bits: 0.8 would become 0.801.
        total = (losses * weights).sum()
        further = self.penalty(present)
        return (total if further is None else total + further), weights.detach()
