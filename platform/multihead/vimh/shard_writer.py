"""Write a VIMH dataset in shards. It appears only when it is complete."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.vimh.shard_index import FORMAT, VERSION, shard_name
from multihead.vimh.shard_place import open_place
from multihead.vimh.writer import VIMHWriter

_SHARD_BYTES = 8 << 20  # default size of a shard
_LARGEST = 1 << 30  # bytes of a shard, which must fit into memory


class ShardWriter(VIMHWriter):
    """Write a dataset in shards; use it like `VIMHWriter`.

    Args:
        where: A folder to make, `file:///PATH` or `s3://BUCKET/PREFIX`.
        heads: As in `VIMHWriter`.
        image_shape: Channels, height and width.
        rows_per_shard: Rows of each shard; the last one may have fewer. None makes shards of 8 MiB.
        overwrite: Replace an existing dataset.
        described: Other arguments of `VIMHWriter`, except `forms`.

    Raises:
        ConfigError: If VIMH cannot store these heads or images, the place exists, or a shard would
            exceed 1 GiB.
        DataError: If the place cannot be written.
    """

    def __init__(
        self,
        where: str | Path,
        heads: Heads,
        image_shape: Sequence[int],
        *,
        rows_per_shard: int | None = None,
        overwrite: bool = False,
        **described: Any,
    ) -> None:
        path = Path(str(where).partition("://")[2] or where)
        super().__init__(path, heads, image_shape, overwrite=overwrite, **described)
        self.where = where
        row_bytes = int(np.prod(self.image_shape)) + 2 * len(heads) + 15
        rows = rows_per_shard or max(1, _SHARD_BYTES // row_bytes)
        if rows < 1 or rows * row_bytes > _LARGEST:
            raise ConfigError(
                f"rows_per_shard is {rows:,}; give 1 to {_LARGEST // row_bytes:,}. A row has "
                f"{row_bytes:,} bytes, and a shard at most 1 GiB."
            )
        self.rows_per_shard = rows

    def _begin(self) -> None:
        self._place = open_place(self.where, overwrite=self.overwrite)
        self._splits: dict[str, _Split] = {}

    def _close(self) -> None:
        self._place.close()

    def _write_block(
        self,
        split: str,
        images: NDArray[np.uint8],
        pairs: NDArray[np.uint8],
        ranges: NDArray[np.float32] | None,
    ) -> None:
        records = self._records(images, pairs, ranges)
        there = self._splits.setdefault(split, _Split(list(self.heads), records[:0]))
        there.add(images, pairs, records)
        while len(there.held) >= self.rows_per_shard:
            self._write_shard(split, self.rows_per_shard)

    def _write_shard(self, split: str, rows: int) -> None:
        there = self._splits[split]
        raw, there.held = there.held[:rows].tobytes(), there.held[rows:]
        name = shard_name(split, len(there.shards))
        self._place.write(name, raw)
        digest = hashlib.sha256(raw).hexdigest()
        there.shards.append({"file": name, "rows": rows, "bytes": len(raw), "sha256": digest})

    def _finish(self) -> None:
        if not self._counts:
            raise ConfigError(f"nothing was written to {self.where}; write train or test samples.")
        for split, there in self._splits.items():
            if len(there.held):
                self._write_shard(split, len(there.held))
        splits = {name: self._splits[name].record() for name in sorted(self._splits, reverse=True)}
        index = {"format": FORMAT, "version": VERSION, "info": self._record(), "splits": splits}
        text = json.dumps(index, indent=1, ensure_ascii=False, allow_nan=False)
        self._place.publish(f"{text}\n".encode())


class _Split:
    """A split during writing: rows of the next shard, written shards, and running hashes."""

    def __init__(self, heads: list[str], held: NDArray[np.void]) -> None:
        self.held, self.shards = held, list[dict[str, Any]]()
        self._images = hashlib.sha256()
        self._labels = {name: hashlib.sha256() for name in heads}

    def add(
        self, images: NDArray[np.uint8], pairs: NDArray[np.uint8], records: NDArray[np.void]
    ) -> None:
        self.held = np.concatenate([self.held, records])
        self._images.update(np.ascontiguousarray(images).data)
        for number, part in enumerate(self._labels.values()):
            part.update(pairs[:, number, 1].astype(np.int64).data)

    def record(self) -> dict[str, Any]:
        return {
            "images_sha256": self._images.hexdigest(),
            "labels_sha256": {name: part.hexdigest() for name, part in self._labels.items()},
            "shards": self.shards,
        }
