"""How the gradients of the heads lie to each other on what they share."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def gramian(
    losses: Tensor, shared: Iterable[nn.Parameter], averaged: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return the inner products of the gradients of the losses, float32 [T, T].

    Each head costs one backward pass; the graph is kept for the one that trains. A head without a
    label in the batch has a row and a column of 0.

    Args:
        losses: With gradient, [T].
        shared: Parameters that all heads have in common; frozen ones are left out.
        averaged: Returns the mean over all processes of a tensor that each of them has.
    """
    parameters = [p for p in shared if p.requires_grad]
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([gradient.flatten().float() for gradient in found]))
    gradients = averaged(torch.stack(rows))
    # Autocast would multiply in 16 bits.
    with torch.autocast(losses.device.type, enabled=False):
        return gradients @ gradients.T
