"""A VIMH set in shards, in a folder or on S3, that is read during training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.data.loader import Loading
from multihead.data.source import Split
from multihead.data.source_function import reads_addresses
from multihead.datasets.resonator.breaks import with_breaks
from multihead.errors import ConfigError
from multihead.vimh.row_ranges import split_shards
from multihead.vimh.shard_index import open_index
from multihead.vimh.stream.loader import StreamLoader
from multihead.vimh.streamed import StreamedSource


@dataclass(frozen=True)
class ShuffledShards(StreamedSource):
    """One split of a set in shards, for training.

    Attributes:
        shuffle_rows: Images that are shuffled together. Twice as many are in memory.
    """

    shuffle_rows: int = 8192

    def parts(self, sizes: Sequence[int], seed: int, what: str) -> list[NDArray[np.int64]]:
        """Draw parts with the same share of every shard; see `Source.parts`."""
        return split_shards(self.file.starts, sizes, seed, what)

    def loader(self, index: NDArray[np.int64], loading: Loading) -> StreamLoader:
        """Return a loader whose threads read in advance.

        Raises:
            ConfigError: If several devices cannot share a batch equally.
        """
        world_size = loading.ranks.world_size
        # Evaluation batches have another size, and the last one may be uneven.
        if loading.seed is not None and loading.batch_size % world_size:
            raise ConfigError(
                f"data.batch_size is {loading.batch_size} for {world_size} devices, which read "
                f"equal parts of a batch from a set in shards; give a multiple of {world_size}."
            )
        return StreamLoader(
            self,
            index,
            batch_size=-(-loading.batch_size // world_size),
            seed=loading.seed,
            shuffle_rows=self.shuffle_rows,
            num_workers=loading.num_workers,
            rank=loading.ranks.rank,
            world_size=world_size,
            pin_memory=loading.pin_memory,
            augment=loading.augment,
            device=loading.device,
        )


@reads_addresses
def vimh_stream(data_dir: str | Path, split: Split, shuffle_rows: int = 8192) -> ShuffledShards:
    """Open one split of a set in shards for training.

    Args:
        data_dir: A folder, `file:///PATH` or `s3://BUCKET/PREFIX`.
        split: `train` or `test`.
        shuffle_rows: Images that are shuffled together, 1 (rows of a shard in their order) or more.

    Raises:
        ConfigError: If an address cannot be read, or `shuffle_rows` is below 1.
        DataError: If files are missing or damaged, or do not fit each other.
    """
    if shuffle_rows < 1:
        raise ConfigError(
            f"data.shuffle_rows is {shuffle_rows}; give 1 (rows of a shard in their order) or more."
        )
    storage, index = open_index(data_dir)
    index.split(split)
    source = ShuffledShards.of(storage, index, split)
    return with_breaks(replace(source, shuffle_rows=shuffle_rows))
