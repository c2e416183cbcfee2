"""The gradients of the heads' losses, one by one, and the training step that is made of them.

A step of automatic optimisation back-propagates one scalar. For a method that asks for the
gradients of each head there is nothing left to compute by then, so the scalar only hands over what
was found: its gradient with respect to each parameter is the weighted sum of the heads' gradients.
Clipping, accumulation, precision and several processes then see an ordinary loss.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Parameters = Sequence[nn.Parameter]


class HeadGradients:
    """The gradients of every head's loss; the graph is gone afterwards.

    Each head costs one backward pass. A head without a label in the batch has gradients of 0.

    Args:
        losses: With gradient, [T].
        shared: Tensors that all heads have in common, parameters or features; frozen ones are left
            out.
        own: Parameters of each head, T lists.
    """

    def __init__(self, losses: Tensor, shared: Sequence[Tensor], own: Sequence[Parameters]) -> None:
        self.shared = [tensor for tensor in shared if tensor.requires_grad]
        self.own = [[p for p in parameters if p.requires_grad] for parameters in own]
        rows, self.of_own = [], []
        for index, loss in enumerate(losses):
            found = torch.autograd.grad(
                loss,
                [*self.shared, *self.own[index]],
                retain_graph=True,
                materialize_grads=True,
            )
            cut = len(self.shared)
            rows.append(torch.cat([gradient.flatten().float() for gradient in found[:cut]]))
            self.of_own.append(found[cut:])
        self.rows = torch.stack(rows)

    def gramian(self, averaged: Callable[[Tensor], Tensor], apart: int = 0) -> Tensor:
        """Return the inner products of the heads' gradients on what they share, float32 [T, T].

        Args:
            averaged: Returns the mean over all processes of a tensor that each of them has.
            apart: Number of processes where each has tensors of its own, as of features; 0 where
                all have the same ones, as of parameters.
        """
        rows = self.rows if apart else averaged(self.rows)
        with torch.autocast(rows.device.type, enabled=False):  # it would multiply in 16 bits
            found = rows @ rows.T
        # Each process has its part of the batch, times their number.
        return averaged(found) / apart if apart else found

    def scalar(self, of_shared: Tensor, of_own: Tensor, value: Tensor) -> Tensor:
        """Return a scalar whose gradient is the weighted sum of the heads' gradients.

        Args:
            of_shared: Weights [T] for what the heads share.
            of_own: Weights [T] for the parameters of each head.
            value: What the scalar is, [].
        """
        with torch.autocast(self.rows.device.type, enabled=False):
            sizes = [tensor.numel() for tensor in self.shared]
            weighted = torch.split(of_shared @ self.rows, sizes)
        parts = [_inner(p, g.view_as(p)) for p, g in zip(self.shared, weighted, strict=True)]
        for weight, parameters, gradients in zip(of_own, self.own, self.of_own, strict=True):
            pairs = zip(parameters, gradients, strict=True)
            parts += [_inner(p, g * weight) for p, g in pairs]
        total = torch.stack(parts).sum()
        return value.detach() + (total - total.detach())


def _inner(tensor: Tensor, gradient: Tensor) -> Tensor:
    return (tensor * gradient.to(tensor).detach()).sum()
