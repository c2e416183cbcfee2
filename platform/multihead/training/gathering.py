"""Gather the outputs and labels of a whole batch from the parts of several processes.

The criteria, the balancer and the metrics then see the whole batch on every rank, as on one device.
So a loss that is not a mean over samples stays correct, parts of different sizes need no weights,
and metrics need no later reduction. This costs one exchange of [B, K] numbers per step, which is
small compared with the gradients of a network.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed

from multihead.data.ranks import Ranks

T = TypeVar("T")


class Gathering:
    """Exchanges among the ranks of one training. With one rank, each returns its argument.

    The process group must handle tensors on the CPU and on the training device.

    Args:
        ranks: The rank of this process, and the number of ranks.

    Attributes:
        wish: Called for each batch; returns a number that rank 0 sends to the others.
            `StopOnSignal` sends the signal that rank 0 received.
        wished: Rank 0's number at the last batch.
    """

    def __init__(self, ranks: Ranks | None = None) -> None:
        self.ranks = ranks or Ranks()
        self.wish: Callable[[], int] = int
        self.wished = 0

    @property
    def alone(self) -> bool:
        """Whether there is only one rank."""
        return self.ranks.world_size == 1

    def whole(
        self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return outputs [B, K] and labels [B, ...] by head name of all ranks, in rank order.

        The gradient of a rank's own part is multiplied by the number of ranks, because
        DistributedDataParallel divides the sum over ranks by this number.

        Args:
            outputs: By head name, float32 [b, K] of this rank; b may be 0.
            labels: By head name, [b, ...], of any type.
        """
        if self.alone:
            return dict(outputs), dict(labels)
        own, world_size = torch.cat(list(outputs.values()), 1), self.ranks.world_size
        if own.requires_grad:
            own.register_hook(lambda gradient: gradient * world_size)  # type: ignore[no-untyped-call]
        sizes = self._sizes(len(own))
        found, *true = _of_all([own.detach(), *labels.values()], sizes)
        first = sum(sizes[: self.ranks.rank])
        everyones = torch.cat([found[:first], own, found[first + len(own) :]])
        widths = [values.shape[1] for values in outputs.values()]
        return (
            dict(zip(outputs, torch.split(everyones, widths, 1), strict=True)),
            dict(zip(labels, true, strict=True)),
        )

    def averaged(self, tensor: Tensor) -> Tensor:
        """Return the mean of a tensor over all ranks."""
        if self.alone:
            return tensor
        distributed.all_reduce(tensor)
        return tensor / self.ranks.world_size

    def of_rank_0(self, number: int) -> int:
        """Return rank 0's number on every rank."""
        if self.alone:
            return number
        said = torch.tensor([number])
        distributed.broadcast(said, src=0)
        return int(said)

    def collected(self, value: T) -> list[T]:
        """Return the values of all ranks, in rank order."""
        if self.alone:
            return [value]
        found: list[Any] = [None] * self.ranks.world_size
        distributed.all_gather_object(found, value)
        return found

    def _sizes(self, size: int) -> list[int]:
        # On the CPU, so that this does not wait for the training device.
        found = torch.empty(2 * self.ranks.world_size, dtype=torch.int64)
        distributed.all_gather_into_tensor(found, torch.tensor([size, self.wish()]))
        self.wished = int(found[1])
        return cast(list[int], found[::2].tolist())


def _of_all(parts: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
    """Return the rows of all ranks for each tensor.

    The tensors are sent as bytes in one exchange, because their types may differ.
    """
    bits = [_bytes(part) for part in parts]
    rows = _rows_of_all(torch.cat(bits, 1), sizes)
    everyones = torch.split(rows, [part.shape[1] for part in bits], 1)
    return [
        of_all.contiguous().view(-1).view(part.dtype).view(len(rows), *part.shape[1:])
        for of_all, part in zip(everyones, parts, strict=True)
    ]


def _bytes(part: Tensor) -> Tensor:
    """Return a tensor [b, ...] as bytes [b, n]."""
    width = part.element_size() * math.prod(part.shape[1:])
    return part.contiguous().view(-1).view(torch.uint8).view(len(part), width)


def _rows_of_all(own: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return [sum(sizes), ...] from the [size, ...] of each rank."""
    longest = max(sizes)
    padded = own.new_zeros(longest, *own.shape[1:])
    padded[: len(own)] = own
    found = own.new_empty(len(sizes) * longest, *own.shape[1:])
    distributed.all_gather_into_tensor(found, padded)
    return torch.cat([part[:n] for part, n in zip(torch.split(found, longest), sizes, strict=True)])
