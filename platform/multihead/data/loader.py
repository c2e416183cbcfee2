"""Loaders that index whole batches, without Python code per sample or copies of the dataset.

Data within the memory budget are stored once as uint8 on the training device. Each batch is
indexed and normalised there. Larger data go through a DataLoader whose workers read whole batches.
Transforms change training images before normalisation, on the training device.
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
from multihead.data.transforms import Augmentation, Mixed
from multihead.errors import ConfigError

# Images and labels. If images are mixed, a `Mixed` with the other labels is added.
Batch = tuple[Tensor, dict[str, Tensor]] | tuple[Tensor, dict[str, Tensor], Mixed]
_CPU = torch.device("cpu")
_AHEAD = 3  # batches read in advance


class EpochSampler(Sampler[list[int]]):
    """Batches of sample indices whose order depends only on (seed, epoch).

    So a restart can draw the same epoch again, from any batch on.

    Args:
        count: Number of samples.
        batch_size: Samples per batch. The last batch has the rest. If shuffled, a single remaining
            sample joins the batch before it, as batch norm cannot train on one image.
        seed: Fixes the order of every epoch. None keeps the samples in their own order.
        ranks: This process among those that share each batch. It draws its part of each batch.

    Attributes:
        with_next: Whether each batch gets one more sample, the next in the epoch's order. The first
            sample follows the last. Each image is mixed with the next one, so the mixing depends
            only on (seed, epoch), not on batches and processes.
        repeats: Whether all epochs have the order of the first one, as `overfit_batches` needs it.
    """

    with_next = False
    repeats = False

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

    @property
    def sampler(self) -> "EpochSampler":
        """This sampler. Lightning calls `set_epoch` on `loader.batch_sampler.sampler`.

        If the loader had a `sampler`, Lightning would say of `overfit_batches` that it ends
        shuffling, which it cannot do for loaders of other classes than torch's.
        """
        return self

    @property
    def ordered_by(self) -> int:
        """The epoch whose order the chosen epoch has."""
        return 0 if self.repeats else self.epoch

    def order(self) -> Tensor:
        """Return the sample indices [N] of the chosen epoch in order."""
        if self.seed is None:
            return torch.arange(self.count)
        rng = np.random.default_rng([self.seed, self.ordered_by])
        return torch.from_numpy(rng.permutation(self.count))

    def whole_batches(self) -> tuple[Tensor, ...]:
        """Return the sample indices of each batch of the chosen epoch, for all ranks together."""
        return self._divided(self.order())

    def _divided(self, order: Tensor) -> tuple[Tensor, ...]:
        whole = len(self) * self.batch_size
        batches = torch.split(order[:whole], self.batch_size)
        if whole < self.count:
            batches = (*batches[:-1], order[whole - self.batch_size :])
        return batches

    def batches(self, device: torch.device = _CPU) -> tuple[Tensor, ...]:
        """Return this rank's part of each batch from `first_batch` on, and reset that to 0.

        Args:
            device: The device that holds the indices. The epoch's indices are copied at once. A
                copy per batch would make the CPU wait for a GPU.
        """
        first, self.first_batch = self.first_batch, 0
        order = self.order().to(device)
        batches = self._divided(order)
        parts = [batch[self.ranks.part(len(batch))] for batch in batches]
        if self.with_next:
            parts = self._followed(order, parts, [len(batch) for batch in batches])
        return tuple(parts[first:])

    def _followed(
        self, order: Tensor, parts: Sequence[Tensor], sizes: Sequence[int]
    ) -> list[Tensor]:
        """Return each part with the sample that follows it; an empty part stays empty."""
        found, start = [], 0
        for part, size in zip(parts, sizes, strict=True):
            following = start + (self.ranks.part(size).stop or 0)
            next_one = order[following % self.count].view(1)
            found.append(torch.cat([part, next_one]) if len(part) else part)
            start += size
        return found

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
        # In place: on a CPU, allocating a second block takes longer than the arithmetic.
        pixels = images.to(torch.float32, copy=True)
        return torch.addcmul(self.shift, pixels, self.scale, out=pixels)


class Finish:
    """Move a batch of images to the device, apply the transforms and normalise it.

    Args:
        augment: The transforms. None in an evaluation, or if there are none.
        normalise: Normalisation on the device.
        device: The training device.
    """

    def __init__(
        self, augment: Augmentation | None, normalise: Normalise, device: torch.device
    ) -> None:
        self.augment, self.normalise, self.device = augment, normalise, device

    def __call__(
        self, images: Tensor, labels: Mapping[str, Tensor], samples: Tensor, epoch: int
    ) -> Batch:
        """Return a batch of images uint8 [B, C, H, W]; see `Augmentation` for the arguments."""
        images, samples = (each.to(self.device, non_blocking=True) for each in (images, samples))
        moved = {n: values.to(self.device, non_blocking=True) for n, values in labels.items()}
        if self.augment is None:
            return self.normalise(images), moved
        images, own, mixed = self.augment(images, moved, samples, epoch)
        normalised = self.normalise(images)
        return (normalised, own) if mixed is None else (normalised, own, mixed)


class Resumable(ABC):
    """A loader that can resume within an epoch, by Lightning's protocol for stateful loaders.

    Attributes:
        batch_sampler: Chooses the samples of each batch.
        augment: The transforms that it applies, or None.
    """

    batch_sampler: EpochSampler
    augment: Augmentation | None = None
    _next_batch = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches from `batch_sampler.first_batch` on."""

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def _counted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield and count batches. None may be drawn before the first is requested.

        When Lightning resumes within an epoch, it calls `set_epoch` after `iter`.
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
    """Iterate over tensors on the training device.

    Args:
        images: uint8 [N, C, H, W].
        labels: int64 [N] by head name.
        batch_sampler: Chooses the samples of each batch.
        normalise: Applied to each batch of images.
        augment: Changes images before they are normalised.
        numbers: Indices of the samples in their file, int64 [N] on the device, for transforms.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Mapping[str, Tensor],
        batch_sampler: EpochSampler,
        normalise: Normalise,
        augment: Augmentation | None = None,
        numbers: Tensor | None = None,
    ) -> None:
        self.images, self.labels, self.normalise = images, dict(labels), normalise
        self.batch_sampler, self.augment, self.numbers = batch_sampler, augment, numbers
        self._next_batch = 0
        if augment is not None:
            batch_sampler.with_next = augment.mixes
            self._finish = Finish(augment, normalise, images.device)

    def __iter__(self) -> Iterator[Batch]:
        self._next_batch = self.batch_sampler.first_batch
        return self._counted(self._batches())

    def _batches(self) -> Iterator[Batch]:
        for index in self.batch_sampler.batches(self.images.device):
            yield self._batch(index)

    def _batch(self, index: Tensor) -> Batch:
        labels = {name: values[index] for name, values in self.labels.items()}
        if self.augment is None or self.numbers is None:
            return self.normalise(self.images[index]), labels
        epoch = self.batch_sampler.epoch
        return self._finish(self.images[index], labels, self.numbers[index], epoch)


class _Batches(Dataset[Any]):
    """Read whole batches of a source, for DataLoader workers.

    Without `normalise`, images stay uint8 and the indices of the samples are added.
    """

    def __init__(
        self, source: Source, index: NDArray[np.int64], normalise: Normalise | None
    ) -> None:
        self.source, self.index, self.normalise = source, index, normalise

    def __getitem__(self, chosen: list[int]) -> tuple[Any, ...]:
        numbers = self.index[chosen]
        images, taken = self.source.take(numbers)
        labels = {name: torch.from_numpy(values) for name, values in taken.items()}
        if self.normalise is None:
            return torch.from_numpy(images), labels, torch.from_numpy(numbers)
        return self.normalise(torch.from_numpy(images)), labels


class WorkerLoader(Resumable):
    """Iterate over a source whose workers read and normalise whole batches.

    If there are transforms, workers only read. The training device does the rest.

    Args:
        source: Images and labels, which may be larger than memory.
        index: int64 [n], the part of the source to iterate over.
        batch_sampler: Chooses the samples of each batch.
        num_workers: Worker processes; 0 reads in the training process.
        pin_memory: Copy batches into page-locked memory.
        persistent_workers: Keep workers between epochs.
        augment: Changes images before they are normalised.
        device: The training device. None means the CPU.
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
        augment: Augmentation | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.batch_sampler, self.augment = batch_sampler, augment
        cpu = torch.device("cpu")
        if augment is None:
            normalise = Normalise(source.mean, source.std, cpu)
        else:
            batch_sampler.with_next, normalise = augment.mixes, None
            where = device or cpu
            self._finish = Finish(augment, Normalise(source.mean, source.std, where), where)
        self._loader: DataLoader[Any] = DataLoader(
            _Batches(source, index, normalise),
            sampler=batch_sampler,
            batch_size=None,
            num_workers=num_workers,
            pin_memory=pin_memory,
            persistent_workers=persistent_workers and num_workers > 0,
        )

    def __iter__(self) -> Iterator[Batch]:
        self._next_batch = self.batch_sampler.first_batch
        if self.augment is None:
            return self._counted(self._loader)
        epoch = self.batch_sampler.epoch
        return self._counted(
            self._finish(images, labels, samples, epoch) for images, labels, samples in self._loader
        )


@runtime_checkable
class ReadsAhead(Protocol):
    """Images that a thread of this process should read in advance, such as picture files."""

    reads_ahead: Literal[True]


# Images, labels by head name, and the indices of the samples.
_Read = tuple[Tensor, dict[str, Tensor], Tensor]


class AheadLoader(Resumable):
    """Iterate over a source; a thread reads the next batches during the training step.

    Batches are normalised on the training device.

    Args:
        source: Images and labels, which may be larger than memory.
        index: int64 [n], the part of the source to iterate over.
        batch_sampler: Chooses the samples of each batch.
        device: Where training takes place.
        pin_memory: Copy batches into page-locked memory.
        augment: Changes images before they are normalised.
    """

    def __init__(
        self,
        source: Source,
        index: NDArray[np.int64],
        batch_sampler: EpochSampler,
        device: torch.device,
        *,
        pin_memory: bool = False,
        augment: Augmentation | None = None,
    ) -> None:
        self.source, self.index, self.batch_sampler = source, index, batch_sampler
        self.pin_memory, self.augment = pin_memory and device.type == "cuda", augment
        batch_sampler.with_next = augment is not None and augment.mixes
        self._finish = Finish(augment, Normalise(source.mean, source.std, device), device)
        self._next_batch = 0

    def __iter__(self) -> Iterator[Batch]:
        self._next_batch = self.batch_sampler.first_batch
        return self._counted(self._batches())

    def _batches(self) -> Iterator[Batch]:
        waiting: deque[Future[_Read]] = deque()
        epoch = self.batch_sampler.epoch
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
            try:
                for chosen in self.batch_sampler.batches():
                    waiting.append(thread.submit(self._read, self.index[chosen.numpy()]))
                    if len(waiting) > _AHEAD:
                        yield self._finish(*waiting.popleft().result(), epoch)
                while waiting:
                    yield self._finish(*waiting.popleft().result(), epoch)
            finally:  # also if the epoch ends early
                for batch in waiting:
                    batch.cancel()

    def _read(self, index: NDArray[np.int64]) -> _Read:
        pixels, values = self.source.take(index)
        images, samples = torch.from_numpy(pixels), torch.from_numpy(index)
        labels = {name: torch.from_numpy(column) for name, column in values.items()}
        if self.pin_memory:
            images, samples = images.pin_memory(), samples.pin_memory()
            labels = {name: column.pin_memory() for name, column in labels.items()}
        return images, labels, samples


def resident_loader(
    source: Source,
    index: NDArray[np.int64],
    *,
    batch_size: int,
    seed: int | None,
    device: torch.device,
    ranks: Ranks | None = None,
    augment: Augmentation | None = None,
) -> ResidentLoader:
    """Copy the indexed part of a source to the device once, and return a loader over it."""
    images, labels = source.take(index)
    return ResidentLoader(
        torch.from_numpy(images).to(device),
        {name: torch.from_numpy(values).to(device) for name, values in labels.items()},
        EpochSampler(len(index), batch_size, seed, ranks),
        Normalise(source.mean, source.std, device),
        augment,
        None if augment is None else torch.from_numpy(index).to(device),
    )


@dataclass(frozen=True)
class Loading:
    """Settings of a loader.

    Attributes:
        batch_size: Images per batch, over all devices.
        seed: Fixes the order of every epoch. None keeps the samples in their own order.
        device: The training device.
        ranks: This process among those that share each batch.
        memory_budget_mb: Pixels of the largest part that is kept in memory, in MB of 10**6 bytes.
        num_workers: Processes or threads that read in advance.
        pin_memory: Whether batches are copied into page-locked memory.
        persistent_workers: Whether workers are kept between epochs.
        augment: Transforms of training images, applied on the device. None in an evaluation.
    """

    batch_size: int
    seed: int | None
    device: torch.device
    ranks: Ranks
    memory_budget_mb: float
    num_workers: int
    pin_memory: bool
    persistent_workers: bool
    augment: Augmentation | None = None


@runtime_checkable
class LoadsItself(Protocol):
    """A source with its own loader, such as a set in shards on remote storage."""

    def loader(self, index: NDArray[np.int64], loading: Loading) -> Resumable:
        """Return a loader of some samples, given by increasing indices [n]."""


def make_loader(source: Source, index: NDArray[np.int64], loading: Loading) -> Resumable:
    """Return a loader for a part of a source: its own, one from memory, or one with workers.

    Raises:
        ConfigError: If there are transforms, and the source's own loader does not support them.
    """
    if isinstance(source, LoadsItself):
        loader = source.loader(index, loading)
        if loader.augment is not loading.augment:
            raise ConfigError(
                f"{source.name} is read by a {type(loader).__name__}, which does not "
                f"support transforms; use data/augment=none."
            )
        return loader
    pixels = len(index) * int(np.prod(source.image_shape))
    if pixels <= loading.memory_budget_mb * 1e6:
        return resident_loader(
            source,
            index,
            batch_size=loading.batch_size,
            seed=loading.seed,
            device=loading.device,
            ranks=loading.ranks,
            augment=loading.augment,
        )
    sampler = EpochSampler(len(index), loading.batch_size, loading.seed, loading.ranks)
    if isinstance(source.images, ReadsAhead):
        return AheadLoader(
            source,
            index,
            sampler,
            loading.device,
            pin_memory=loading.pin_memory,
            augment=loading.augment,
        )
    return WorkerLoader(
        source,
        index,
        sampler,
        num_workers=loading.num_workers,
        pin_memory=loading.pin_memory,
        persistent_workers=loading.persistent_workers,
        augment=loading.augment,
        device=loading.device,
    )
