"""A split of a dataset in shards as a Source. Only the requested rows are in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Split
from multihead.vimh.labels import Scheme
from multihead.vimh.shard_file import ShardFile, ShardImages
from multihead.vimh.shard_index import ShardIndex, open_index
from multihead.vimh.source import LazyLabels, VIMHSource
from multihead.vimh.storage import Storage


class ShardLabels(LazyLabels):
    """Labels int64 [N] by head name, read from the shards at each access."""

    file: ShardFile  # type: ignore[assignment]  # rows are read and decoded together

    def take(
        self, index: NDArray[np.int64], names: list[str] | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """Read labels [n] of some heads; see `LazyLabels.take`."""
        return self.file.codes(index, self.scheme, [*self] if names is None else names)


@dataclass(frozen=True)
class StreamedSource(VIMHSource):
    """One split of a dataset in shards.

    Rows, with their labels, are read and checked when they are used. `multihead.vimh.stream`
    determines the order in which training reads them.
    """

    is_streamed: ClassVar[bool] = True
    images: ShardImages  # type: ignore[assignment]  # indexed like an array, but read from files
    labels: ShardLabels

    @classmethod
    def of(cls, storage: Storage, index: ShardIndex, split: Split) -> Self:
        """Return the source of a split whose files were already checked."""
        file = ShardFile(storage, index, split)
        info = index.info
        scheme = Scheme(tuple(p.name for p in info.parameters), info.heads, info.ids, {})
        mean, std = cls.default_normalisation(info)
        labels = ShardLabels(file, scheme)  # type: ignore[arg-type]
        return cls(info.name, file.images, labels, info.heads, mean, std)

    @property
    def file(self) -> ShardFile:
        """The rows."""
        return self.labels.file

    def take(
        self, index: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
        """Read some samples; see `Source.take`. Each row is read once."""
        records = self.file.records(index)
        codes = self.file.decode(records, index, self.labels.scheme)
        images = np.ascontiguousarray(records["pixels"])
        return images, {name: codes[name] for name in self.heads}

    def digest(self) -> str:
        """Return the digest of `Source.digest`, computed from the hashes in the index.

        The same samples in another form have the same digest. `multihead data validate` reads all
        rows and compares their hashes with the index.
        """
        shards = self.file.shards
        labels = [shards.labels_sha256[name] for name in self.heads]
        return self.digest_of(bytes.fromhex(part) for part in (shards.images_sha256, *labels))


def streamed_sources(where: str | Path) -> dict[Split, StreamedSource]:
    """Open all splits of a dataset in shards.

    Args:
        where: A folder, `file:///PATH` or `s3://BUCKET/PREFIX`.

    Raises:
        ConfigError: If data cannot be read from this kind of address.
        DataError: If there is no dataset, or its index or files are damaged.
    """
    storage, index = open_index(where)
    return {split: StreamedSource.of(storage, index, split) for split in index.splits}


def streamed_source(where: str | Path, split: Split) -> StreamedSource:
    """Open one split of a dataset in shards; see `streamed_sources`."""
    storage, index = open_index(where)
    index.split(split)
    return StreamedSource.of(storage, index, split)
