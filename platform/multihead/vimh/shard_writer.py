"""Write a VIMH set in shards, sample by sample as they come, whole or not at all."""

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

_SHARD_BYTES = 8 << 20  # of a shard whose rows nobody chose
_LARGEST = 1 << 30  # a shard is put together in memory


class ShardWriter(VIMHWriter):
    """Write a set in shards; used as `VIMHWriter` is.

    Args:
        where: A folder to make, `file:///PATH` or `s3://BUCKET/PREFIX`.
        heads: As in `VIMHWriter`.
        image_shape: Channels, height and width.
        rows_per_shard: Rows of a shard but the last; as many as make 8 MiB if none.
        overwrite: Replace a set that is there.
        described: What `VIMHWriter` takes besides, other than `forms`.

    Raises:
        ConfigError: For what VIMH cannot hold, a place that is taken, or shards above 1 GiB.
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
                f"rows_per_shard is {rows:,}; give 1 to {_LARGEST // row_bytes:,}: a shard of rows "
                f"of {row_bytes:,} bytes has 1 GiB at most."
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
    """A split in the making: what waits for its shard, the shards, and the hashes so far."""

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
