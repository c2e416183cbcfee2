"""Batches of a dataset in shards. Iteration can resume at any batch."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.data.loader import Batch, EpochSampler, Finish, Normalise, Resumable
from multihead.data.transforms import Augmentation
from multihead.errors import CheckpointError
from multihead.vimh.stream.order import StreamOrder
from multihead.vimh.stream.reader import Loaded, read_windows
from multihead.vimh.streamed import StreamedSource


class StreamLoader(Resumable):
    """Iterate over rows of a dataset in shards, which may be larger than memory.

    One window of `shuffle_rows` rows is in memory, or two if threads read ahead, and one batch.

    Args:
        source: The rows.
        rows: Sorted row numbers [n] of the part to iterate over.
        batch_size: Rows per batch and rank.
        seed: The random seed of the order of each epoch. None keeps the rows' own order.
        shuffle_rows: Rows that are shuffled together, 1 or more.
        num_workers: Threads that read ahead. Their number does not change the batches.
        rank: The share of each epoch that this process reads; see `StreamOrder`.
        world_size: Number of shares of an epoch. All ranks have the same number of batches; in an
            evaluation the last one may be empty.
        pin_memory: Copy batches into page-locked memory.
        augment: Changes images before they are normalised. Transforms that mix images use the next
            image of the rank's own batch, and the first image for the last one, because the rest of
            the epoch is not in memory.
        device: The device of training; the CPU if None.
    """

    def __init__(
        self,
        source: StreamedSource,
        rows: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int | None,
        shuffle_rows: int,
        num_workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
        augment: Augmentation | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.source, self.num_workers, self.pin_memory = source, num_workers, pin_memory
        self.order = StreamOrder(
            rows,
            source.file.starts,
            shuffle_rows=shuffle_rows,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        # The length of the longest share, because all ranks must make the same number of steps.
        self.batch_sampler = EpochSampler(self.order.longest, batch_size, seed)
        self.augment, cpu = augment, torch.device("cpu")
        self._normalise = Normalise(source.mean, source.std, cpu)
        if augment is not None:
            where = device or cpu
            self._finish = Finish(augment, Normalise(source.mean, source.std, where), where)
        empty = np.empty((0, *source.image_shape), np.uint8)
        self._nothing = empty, {name: np.empty(0, np.int64) for name in source.heads}
        self._window_rows = min(shuffle_rows, self.order.count)
        self._layout = {
            "rows": len(rows),
            "batch_size": batch_size,
            "shuffle_rows": shuffle_rows,
            "world_size": world_size,
        }

    def __iter__(self) -> Iterator[Batch]:
        self._next_batch = self.batch_sampler.first_batch
        return self._counted(self._batches())

    def state_dict(self) -> dict[str, int]:
        """Return the number of the next batch, and the settings that determine the batches."""
        return super().state_dict() | self._layout

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Start the next iteration at the recorded batch.

        Raises:
            CheckpointError: If the checkpoint is from within an epoch with other batches.
        """
        changed = [key for key in self._layout if state.get(key) != self._layout[key]]
        if state["next_batch"] and changed:
            key = changed[0]
            raise CheckpointError(
                f"the checkpoint is from within an epoch with {key} {state.get(key)}, but {key} is "
                f"now {self._layout[key]}; resume with {state.get(key)}, or from the end of an "
                f"epoch."
            )
        super().load_state_dict(state)

    def _batches(self) -> Iterator[Batch]:
        epoch, first = self.batch_sampler.epoch, self.batch_sampler.first_batch
        self.batch_sampler.first_batch = 0
        size, last = self.batch_sampler.batch_size, len(self) - 1
        windows = read_windows(
            self.source.file,
            self.source.labels.scheme,
            self.order.epoch(self.batch_sampler.ordered_by, first * size),
            self._window_rows,
            self.num_workers,
        )
        with closing(windows):
            loaded: Loaded | None = None
            for number in range(first, last + 1):
                start = number * size
                # The last batch has the remaining rows, possibly one more than the others.
                stop = self.order.count if number == last else min(start + size, self.order.count)
                parts, rows = [self._nothing], [np.empty(0, np.int64)]
                while start < stop:
                    if loaded is None or start == loaded.window.stop:
                        loaded = next(windows)
                    end = min(stop, loaded.window.stop)
                    parts.append(loaded.take(start, end))
                    if self.augment is not None:
                        rows.append(loaded.rows(start, end))
                    start = end
                yield self._batch(parts, np.concatenate(rows), epoch)

    def _batch(
        self,
        parts: list[tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]],
        rows: NDArray[np.int64],
        epoch: int,
    ) -> Batch:
        images = torch.from_numpy(_joined([images for images, _ in parts]))
        labels = {
            name: torch.from_numpy(_joined([codes[name] for _, codes in parts]))
            for name in self.source.heads
        }
        if self.augment is not None:
            return self._changed(self.augment, images, labels, torch.from_numpy(rows), epoch)
        batch = self._normalise(images), labels
        if not self.pin_memory:
            return batch
        return batch[0].pin_memory(), {name: values.pin_memory() for name, values in labels.items()}

    def _changed(
        self,
        augment: Augmentation,
        images: Tensor,
        labels: dict[str, Tensor],
        rows: Tensor,
        epoch: int,
    ) -> Batch:
        if augment.mixes:
            images, rows = torch.cat([images, images[:1]]), torch.cat([rows, rows[:1]])
            labels = {name: torch.cat([values, values[:1]]) for name, values in labels.items()}
        if self.pin_memory:
            images, rows = images.pin_memory(), rows.pin_memory()
        return self._finish(images, labels, rows, epoch)


def _joined(parts: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Return one array. Most batches are within one window and need no copy."""
    filled = [part for part in parts if len(part)]
    return filled[0] if len(filled) == 1 else np.concatenate(parts)
