"""The gradients of the heads' losses, one by one, and the training step that is made of them.

A step of automatic optimisation back-propagates one scalar. For a method that asks for the
gradients of each head there is nothing left to compute by then, so the scalar only hands over what
was found: its gradient with respect to each parameter is the weighted sum of the heads' gradients.
Clipping, accumulation, precision and several processes then see an ordinary loss.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._functorch import config as functorch_config

Parameters = Sequence[nn.Parameter]
_CHUNK = 31 * 2**20  # bytes: just below what glibc maps apart whatever came before


class HeadGradients:
    """The gradients of every head's loss.

    Each head costs one backward pass. A head without a label in the batch has gradients of 0.

    Args:
        losses: With gradient, [T].
        shared: Tensors that all heads have in common, parameters or features; frozen ones are left
            out.
        own: Parameters of each head, T lists.
        keep: Whether the graph is needed afterwards. It is freed with the last head otherwise.
    """

    def __init__(
        self,
        losses: Tensor,
        shared: Sequence[Tensor],
        own: Sequence[Parameters],
        *,
        keep: bool = False,
    ) -> None:
        if losses.device.type == "cpu":
            _keep_freed_memory()
        self.shared = [tensor for tensor in shared if tensor.requires_grad]
        self.own = [[p for p in parameters if p.requires_grad] for parameters in own]
        self.of_own: list[tuple[Tensor, ...]] = []
        width, cut = sum(tensor.numel() for tensor in self.shared), len(self.shared)
        self.rows = torch.empty(len(losses), width, device=losses.device)
        for index, loss in enumerate(losses):
            found = torch.autograd.grad(
                loss,
                [*self.shared, *self.own[index]],
                retain_graph=keep or index < len(losses) - 1,
                materialize_grads=True,
            )
            flat = [gradient.flatten().float() for gradient in found[:cut]]
            torch.cat(flat, out=self.rows[index])
            self.of_own.append(found[cut:])

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
        tensors = [*self.shared]
        gradients = [g.view_as(p).to(p) for p, g in zip(self.shared, weighted, strict=True)]
        for weight, parameters, found in zip(of_own, self.own, self.of_own, strict=True):
            tensors += parameters
            gradients += [(g * weight).to(p) for p, g in zip(parameters, found, strict=True)]
        return cast(Tensor, _HandedOver.apply(value.detach(), gradients, *tensors))


class _HandedOver(torch.autograd.Function):
    """A scalar whose gradients with respect to some tensors are given."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *tensors: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        factor = grad_outputs[0]
        return None, None, *(gradient * factor for gradient in ctx.gradients)


def keep_compiled_graphs() -> None:
    """Let networks that are compiled from now on take several backward passes of a forward pass.

    A compiled network gives its buffers up in the first one otherwise.
    """
    functorch_config.donated_buffer = False


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep up to 62 MB that a backward pass frees, instead of 33 MB or less.

    After each head's pass it would give the memory back to the system and fetch it again, page by
    page: measured, a fifth of the time of ten passes. glibc keeps twice the size of the largest
    chunk of its own mapping that was ever freed, so one is made and freed. None of it is touched.
    """
    torch.empty(_CHUNK, dtype=torch.uint8)
