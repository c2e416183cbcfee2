"""Batches from images that stay in one place: no per-sample Python, no copies of the dataset.

Small images are kept once as uint8 on the training device, indexed by batch and normalised on
the fly. Data beyond a memory budget go through a DataLoader whose workers read whole batches.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from multihead.data.ranks import Ranks
from multihead.data.source import Source

Batch = tuple[Tensor, dict[str, Tensor]]
_AHEAD = 3  # batches that wait for the step


class EpochSampler(Sampler[list[int]]):
    """Batches of sample numbers whose order depends on (seed, epoch) alone.

    So an epoch can be drawn again after a restart, and from any batch on.

    Args:
        count: Number of samples.
        batch_size: Samples per batch; the last batch holds what is left. A single one left over
            joins the batch before it when shuffled: batch norm cannot train on one image.
        seed: Fixes the order of every epoch; without one, samples come in their own order.
        ranks: The processes that share each batch; this one draws its part of it.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int | None, ranks: Ranks | None = None
    ) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.ranks = ranks or Ranks()
        self.epoch = 0
        self.first_batch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def order(self) -> Tensor:
        """Return the sample numbers [N] of the chosen epoch in order."""
        if self.seed is None:
            return torch.arange(self.count)
        rng = np.random.default_rng([self.seed, self.epoch])
        return torch.from_numpy(rng.permutation(self.count))

    def whole_batches(self) -> tuple[Tensor, ...]:
        """Return the sample numbers of each batch of the chosen epoch, of all ranks together."""
        order, whole = self.order(), len(self) * self.batch_size
        batches = torch.split(order[:whole], self.batch_size)
        if whole < self.count:
            batches = (*batches[:-1], order[whole - self.batch_size :])
        return batches

    def batches(self) -> tuple[Tensor, ...]:
        """Return our part of each batch from `first_batch` on, which is then 0 again."""
        first, self.first_batch = self.first_batch, 0
        return tuple(batch[self.ranks.part(len(batch))] for batch in self.whole_batches()[first:])

    def __iter__(self) -> Iterator[list[int]]:
        return iter([batch.tolist() for batch in self.batches()])

    def __len__(self) -> int:
        count = -(-self.count // self.batch_size)
        joins = self.seed is not None and self.batch_size > 1 and count > 1
        return count - (joins and self.count % self.batch_size == 1)


class Normalise:
    """Turn uint8 images [B, C, H, W] into float32 with the source's mean and deviation."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        channels = (1, -1, 1, 1)
        deviation = torch.tensor(std, device=device, dtype=torch.float32).view(channels)
        self.scale = 1 / (255 * deviation)
        self.shift = -torch.tensor(mean, device=device).view(channels) / deviation

    def __call__(self, images: Tensor) -> Tensor:
        """Return (images / 255 - mean) / std."""
        # In place: on a processor, a second block of fresh memory takes longer than the arithmetic.
        pixels = images.to(torch.float32, copy=True)
        return torch.addcmul(self.shift, pixels, self.scale, out=pixels)


class Resumable(ABC):
    """Batches of an epoch, and how far it got, by Lightning's protocol for stateful loaders."""

    batch_sampler: EpochSampler
    _next_batch = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches from `batch_sampler.first_batch` on."""

    def __len__(self) -> int:
        return len(self.batch_sampler)

    @property
    def sampler(self) -> EpochSampler:
        """What Lightning tells the epoch: it looks for `sampler`, not for `batch_sampler`."""
        return self.batch_sampler

    def _counted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield batches, which must not be drawn before the first is asked for.

        Where Lightning resumes within an epoch, it tells the epoch after `iter`.
        """
        for batch in batches:
            self._next_batch += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the number of the next batch of this epoch."""
        return {"next_batch": self._next_batch % max(1, len(self))}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Start the next iteration at the recorded batch."""
        self.batch_sampler.first_batch = int(state["next_batch"])


class ResidentLoader(Resumable):
    """Iterate over tensors that live on the training device.

    Args:
        images: uint8 [N, C, H, W].
        labels: int64 [N] by head name.
        batch_sampler: Chooses the samples of each batch.
        normalise: Applied to each batch of images.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Mapping[str, Tensor],
        batch_sampler: EpochSampler,
        normalise: Normalise,
    ) -> None:
        self.images, self.labels, self.normalise = images, dict(labels), normalise
        self.batch_sampler = batch_sampler
        self._next_batch = 0

    def __iter__(self) -> Iterator[Batch]:
        self._next_batch = self.batch_sampler.first_batch
        return self._counted(self._batches())

    def _batches(self) -> Iterator[Batch]:
        for chosen in self.batch_sampler.batches():
            yield self._batch(chosen)

    def _batch(self, chosen: Tensor) -> Batch:
        index = chosen.to(self.images.device)
        labels = {name: values[index] for name, values in self.labels.items()}
        return self.normalise(self.images[index]), labels


class _Batches(Dataset[Any]):
    """Read whole batches of a source, for DataLoader workers."""

    def __init__(self, source: Source, index: NDArray[np.int64], normalise: Normalise) -> None:
        self.source, self.index, self.normalise = source, index, normalise

    def __getitem__(self, chosen: list[int]) -> Batch:
        images, labels = self.source.take(self.index[chosen])
        return self.normalise(torch.from_numpy(images)), {
            name: torch.from_numpy(values) for name, values in labels.items()
        }


class WorkerLoader(Resumable):
    """Iterate over a source whose workers read and normalise whole batches.

    Args:
        source: Images and labels, which may be larger than memory.
        index: int64 [n], the part of the source to iterate over.
        batch_sampler: Chooses the samples of each batch.
        num_workers: Worker processes; 0 reads in the training process.
        pin_memory: Copy batches into page-locked memory.
        persistent_workers: Keep workers between epochs.
    """

    def __init__(
        self,
        source: Source,
        index: NDArray[np.int64],
        batch_sampler: EpochSampler,
        *,
        num_workers: int = 0,
        pin_memory: bool = False,
        persistent_workers: bool = False,
    ) -> None:
        self.batch_sampler = batch_sampler
        normalise = Normalise(source.mean, source.std, torch.device("cpu"))
        self._loader: DataLoader[Batch] = DataLoader(
            _Batches(source, index, normalise),
            sampler=batch_sampler,
            batch_size=None,
            num_workers=num_workers,
            pin_memory=pin_memory,
            persistent_workers=persistent_workers and num_workers > 0,
        )

    def __iter__(self) -> Iterator[Batch]:
        self._next_batch = self.batch_sampler.first_batch
        return self._counted(self._loader)


@runtime_checkable
class ReadsAhead(Protocol):
    """Images that are best read by a thread of this process: files, or pictures to decode."""

    reads_ahead: Literal[True]


class AheadLoader(Resumable):
    """Iterate over a source whose next batches a thread reads during the step.

    Batches are normalised on the training device, as those of a resident loader are.

    Args:
        source: Images and labels, which may be larger than memory.
        index: int64 [n], the part of the source to iterate over.
        batch_sampler: Chooses the samples of each batch.
        device: Where training takes place.
        pin_memory: Copy batches into page-locked memory.
    """

    def __init__(
        self,
        source: Source,
        index: NDArray[np.int64],
        batch_sampler: EpochSampler,
        device: torch.device,
        *,
        pin_memory: bool = False,
    ) -> None:
        self.source, self.index, self.batch_sampler = source, index, batch_sampler
        self.device, self.pin_memory = device, pin_memory and device.type == "cuda"
        self.normalise = Normalise(source.mean, source.std, device)
        self._next_batch = 0

    def __iter__(self) -> Iterator[Batch]:
        self._next_batch = self.batch_sampler.first_batch
        return self._counted(self._batches())

    def _batches(self) -> Iterator[Batch]:
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
            try:
                for chosen in self.batch_sampler.batches():
                    waiting.append(thread.submit(self._read, self.index[chosen.numpy()]))
                    if len(waiting) > _AHEAD:
                        yield self._moved(*waiting.popleft().result())
                while waiting:
                    yield self._moved(*waiting.popleft().result())
            finally:  # also where the epoch is left before its end
                for batch in waiting:
                    batch.cancel()

    def _read(self, index: NDArray[np.int64]) -> Batch:
        pixels, values = self.source.take(index)
        images = torch.from_numpy(pixels)
        labels = {name: torch.from_numpy(column) for name, column in values.items()}
        if self.pin_memory:
            return images.pin_memory(), {
                name: column.pin_memory() for name, column in labels.items()
            }
        return images, labels

    def _moved(self, images: Tensor, labels: Mapping[str, Tensor]) -> Batch:
        return self.normalise(images.to(self.device, non_blocking=True)), {
            name: values.to(self.device, non_blocking=True) for name, values in labels.items()
        }


def resident_loader(
    source: Source,
    index: NDArray[np.int64],
    *,
    batch_size: int,
    seed: int | None,
    device: torch.device,
    ranks: Ranks | None = None,
) -> ResidentLoader:
    """Copy the indexed part of a source to the device, once, and iterate over it there."""
    images, labels = source.take(index)
    return ResidentLoader(
        torch.from_numpy(images).to(device),
        {name: torch.from_numpy(values).to(device) for name, values in labels.items()},
        EpochSampler(len(index), batch_size, seed, ranks),
        Normalise(source.mean, source.std, device),
    )


@dataclass(frozen=True)
class Loading:
    """How batches are wanted.

    Attributes:
        batch_size: Images per batch, of all devices together.
        seed: Fixes the order of every epoch; without one, samples come in their own order.
        device: Where training takes place.
        ranks: The processes that share each batch.
        memory_budget_mb: Largest part, in MB of 10**6 bytes of pixels, that is kept in memory.
        num_workers: Processes, or threads, that read ahead.
        pin_memory: Page-locked batches.
        persistent_workers: Keep workers between epochs.
    """

    batch_size: int
    seed: int | None
    device: torch.device
    ranks: Ranks
    memory_budget_mb: float
    num_workers: int
    pin_memory: bool
    persistent_workers: bool


@runtime_checkable
class LoadsItself(Protocol):
    """A source that is read in an order of its own, such as a set in shards that lie elsewhere."""

    def loader(self, index: NDArray[np.int64], loading: Loading) -> Resumable:
        """Return a loader of some samples, given by rising numbers [n]."""


def make_loader(source: Source, index: NDArray[np.int64], loading: Loading) -> Resumable:
    """Return the loader that fits a part of a source: its own, from memory, or by workers."""
    if isinstance(source, LoadsItself):
        return source.loader(index, loading)
    pixels = len(index) * int(np.prod(source.image_shape))
    if pixels <= loading.memory_budget_mb * 1e6:
        return resident_loader(
            source,
            index,
            batch_size=loading.batch_size,
            seed=loading.seed,
            device=loading.device,
            ranks=loading.ranks,
        )
    sampler = EpochSampler(len(index), loading.batch_size, loading.seed, loading.ranks)
    if isinstance(source.images, ReadsAhead):
        return AheadLoader(source, index, sampler, loading.device, pin_memory=loading.pin_memory)
    return WorkerLoader(
        source,
        index,
        sampler,
        num_workers=loading.num_workers,
        pin_memory=loading.pin_memory,
        persistent_workers=loading.persistent_workers,
    )
