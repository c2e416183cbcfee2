"""Compute the gradient of each head's loss, and make a training step from them.

Lightning's automatic optimisation back-propagates one scalar. A method that needs the gradients of
each head has computed them before. So the scalar only passes them on: its gradient for each
parameter is the weighted sum of the heads' gradients. For clipping, accumulation, precision and
several processes it is an ordinary loss.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._functorch import config as functorch_config

Parameters = Sequence[nn.Parameter]
_CHUNK = 31 * 2**20  # bytes; just below the size that glibc always maps separately


class HeadGradients:
    """The gradients of every head's loss.

    Each head costs one backward pass. A head without a label in the batch has gradients of 0.

    Args:
        losses: With gradient, [T].
        shared: Tensors that all heads share, parameters or features; frozen ones are left out.
        own: Parameters of each head, T lists.
        keep: Keep the graph. Otherwise it is freed after the last head.

    Attributes:
        rows: The gradients of the shared tensors, float32 [T, P].
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
        """Return the inner products of the heads' gradients of the shared tensors, float32 [T, T].

        Args:
            averaged: Returns the mean of a tensor over all processes.
            apart: For features, of which each process has its own part: the number of processes.
                For parameters, which are the same in all processes: 0.
        """
        rows = self.rows if apart else averaged(self.rows)
        with torch.autocast(rows.device.type, enabled=False):  # autocast would use 16 bits
            found = rows @ rows.T
        # Each process has the gradient of its part of the batch, times the number of processes.
        return averaged(found) / apart if apart else found

    def scalar(self, of_shared: Tensor, of_own: Tensor, value: Tensor) -> Tensor:
        """Return a scalar whose gradient is the weighted sum of the heads' gradients.

        Args:
            of_shared: Weights [T] for the shared tensors.
            of_own: Weights [T] for the parameters of each head.
            value: The value of the scalar, [].
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
    """A scalar with given gradients for some tensors."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *tensors: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        factor = grad_outputs[0]
        return None, None, *(gradient * factor for gradient in ctx.gradients)


def keep_compiled_graphs() -> None:
    """Allow several backward passes for a forward pass in networks that are compiled later.

    By default, a compiled network frees its buffers in the first backward pass.
    """
    functorch_config.donated_buffer = False


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep up to 62 MB of memory that a backward pass frees, instead of 33 MB or less.

    By default, glibc returns the memory to the system after each head's pass, and gets it again
    page by page. This took a fifth of the time of ten passes. glibc keeps twice the size of the
    largest separately mapped chunk that was ever freed. So this function allocates and frees one,
    without using it.
    """
    torch.empty(_CHUNK, dtype=torch.uint8)
