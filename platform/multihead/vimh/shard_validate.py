"""Check every byte of a dataset in shards, and report every problem."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from multihead.errors import DataError
from multihead.vimh.info import SHARDS_FILE
from multihead.vimh.shard_file import Records, ShardFile
from multihead.vimh.shard_index import (
    Shard,
    ShardIndex,
    SplitShards,
    check_size,
    read_index,
)
from multihead.vimh.storage import Storage, open_storage
from multihead.vimh.streamed import StreamedSource
from multihead.vimh.validate import SPLITS, Problem, range_faults

_BLOCK = 8 << 20


def validate_shards(where: str | Path) -> Iterator[Problem]:
    """Check the index, and the size, the hash and all records of every shard.

    Args:
        where: A folder, `file:///PATH` or `s3://BUCKET/PREFIX`.

    Yields:
        Problems by file, in the order of the rows.
    """
    storage = open_storage(where)
    sizes = storage.sizes()
    try:
        index = read_index(storage)
    except DataError as error:
        yield Problem(f"{storage.place}/{SHARDS_FILE}", None, None, str(error))
        return
    for split in SPLITS:
        if split in index.splits:
            source = StreamedSource.of(storage, index, split)
            yield from _Check(storage, index, source).problems(sizes)


class _Check:
    """Checks one split, reading it once from the first row to the last."""

    def __init__(self, storage: Storage, index: ShardIndex, source: StreamedSource) -> None:
        self.storage, self.index, self.source = storage, index, source
        self.file: ShardFile = source.file
        self.images = hashlib.sha256()
        self.labels = {name: hashlib.sha256() for name in source.heads}
        self.found = False

    def problems(self, sizes: dict[str, int]) -> Iterator[Problem]:
        for shard, start in zip(self.file.shards.shards, self.file.starts.tolist(), strict=False):
            for problem in self._shard(shard, start, sizes.get(shard.file)):
                self.found = True
                yield problem
        if not self.found:
            yield from self._content(self.file.shards)

    def _shard(self, shard: Shard, start: int, size: int | None) -> Iterator[Problem]:
        path = f"{self.index.place}/{shard.file}"
        try:
            check_size(self.index, shard, size)
            whole = hashlib.sha256()
            for at, records in self._blocks(start, shard.rows):
                whole.update(records.view(np.uint8).data)
                yield from self._records(at, records)
        except DataError as error:
            yield Problem(path, None, None, str(error))
            return
        if whole.hexdigest() != shard.sha256:
            message = f"its SHA-256 is {whole.hexdigest()}, but {SHARDS_FILE} says {shard.sha256}."
            yield Problem(path, None, None, message)

    def _blocks(self, start: int, rows: int) -> Iterator[tuple[int, Records]]:
        step = max(1, _BLOCK // self.file.dtype.itemsize)
        for at in range(start, start + rows, step):
            records = np.empty(min(step, start + rows - at), self.file.dtype)
            self.file.read(at, records)
            yield at, records

    def _records(self, start: int, records: Records) -> Iterator[Problem]:
        codes, faults = self.file.faults(records, self.source.labels.scheme)
        if "spec_range" in (records.dtype.names or ()):
            faults += range_faults(records["spec_range"])
        for fault in sorted(faults, key=lambda fault: fault.row):
            error = self.file.error(start + fault.row, fault)
            yield Problem(error.file, error.sample, error.offset, f"{error.reason}.")
        self.images.update(np.ascontiguousarray(records["pixels"]).data)
        for name, part in self.labels.items():
            part.update(np.ascontiguousarray(codes[name]).data)

    def _content(self, shards: SplitShards) -> Iterator[Problem]:
        said: dict[str, tuple[Any, str]] = {"images_sha256": (self.images, shards.images_sha256)}
        for name, part in self.labels.items():
            said[f"labels_sha256.{name}"] = part, shards.labels_sha256[name]
        for key, (found, expected) in said.items():
            if found.hexdigest() != expected:
                path = f"{self.index.place}/{SHARDS_FILE}"
                message = f"{key} is {expected}, but the hash of the rows is {found.hexdigest()}."
                yield Problem(path, None, None, message)
