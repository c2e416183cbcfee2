"""The DataModule of sets in shards."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from multihead.data.datamodule import MultiheadDataModule
from multihead.data.kinds import HeadKinds
from multihead.data.normalization import Normalization
from multihead.data.row_ranges import split_shards
from multihead.data.source import Source, Split
from multihead.data.stream.loader import StreamLoader
from multihead.data.vimh.streamed import StreamedSource, streamed_source
from multihead.errors import ConfigError


class VIMHStreamDataModule(MultiheadDataModule):
    """A VIMH set in shards, in a folder or on S3, that is read as it is trained on.

    Every part takes the same share of each shard, see `split_shards`.

    Args:
        data_dir: A folder, `file:///PATH` or `s3://BUCKET/PREFIX`.
        batch_size: Images per batch, 1 or more.
        shuffle_rows: Images that are shuffled together. Twice as many are in memory.
        num_workers: Threads that read ahead; the batches are the same for any number.
        train_val_test_split: As in `MultiheadDataModule`, which has the arguments below as well.
        multihead: Use every head; otherwise the first alone.
        pin_memory: Page-locked batches.
        head_kinds: How parameters are predicted.
        normalize: Of pixels; `stats` reads the training part once more before each training.
        seed: Fixes the split and the order of each epoch.
        only_heads: Those of the heads that are used.

    Raises:
        ConfigError: For sizes, kinds and names that do not fit the data.
        DataError: For files that are missing, damaged or hostile, or do not fit each other.
    """

    def __init__(
        self,
        data_dir: str | Path,
        batch_size: int = 64,
        shuffle_rows: int = 8192,
        num_workers: int = 1,
        train_val_test_split: Sequence[int] | None = None,
        multihead: bool = True,
        pin_memory: bool = False,
        head_kinds: HeadKinds = None,
        normalize: Normalization = "default",
        seed: int = 0,
        only_heads: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            None,
            batch_size,
            train_val_test_split,
            num_workers,
            pin_memory=pin_memory,
            multihead=multihead,
            head_kinds=head_kinds,
            normalize=normalize,
            seed=seed,
            only_heads=only_heads,
        )
        if shuffle_rows < 1:
            raise ConfigError(
                f"data.shuffle_rows is {shuffle_rows}; give 1 (rows of a shard in their order) or "
                f"more."
            )
        self.where, self.shuffle_rows = data_dir, shuffle_rows

    @property
    def place(self) -> str:
        """Where the set is, as runs record it."""
        return str(self.where)

    def read(self, split: Split) -> Source:
        """Open one split of the set."""
        return streamed_source(self.where, split)

    def part_training_file(self, sizes: Sequence[int], what: str) -> list[NDArray[np.int64]]:
        """Draw which rows train and which validate, from every shard."""
        return split_shards(_starts(self._train_file), sizes, self.seed, what)

    @cached_property
    def test_indices(self) -> NDArray[np.int64]:
        """Which rows of the test split test."""
        source = self.test_source
        if self.train_val_test_split is None:
            return np.arange(len(source))
        sizes = [self.train_val_test_split[2]]
        what = f"the test file of {source.name}"
        return split_shards(_starts(source), sizes, self.seed, what)[0]

    def _loader(self, source: Source, index: NDArray[np.int64], seed: int | None) -> StreamLoader:
        world_size = self.ranks.world_size
        if self.batch_size % world_size:
            raise ConfigError(
                f"data.batch_size is {self.batch_size} for {world_size} devices, which read equal "
                f"parts of a batch from a set in shards; give a multiple of {world_size}."
            )
        # Nothing is learned from an evaluation batch, so it may be as large as is fast.
        batch_size = self.batch_size if seed is not None else max(self.batch_size, 256)
        return StreamLoader(
            cast(StreamedSource, source),
            index,
            batch_size=-(-batch_size // world_size),
            seed=seed,
            shuffle_rows=self.shuffle_rows,
            num_workers=self.num_workers,
            rank=self.ranks.rank,
            world_size=world_size,
            pin_memory=self.pin_memory,
        )


def _starts(source: Source) -> NDArray[np.int64]:
    return cast(StreamedSource, source).file.starts
