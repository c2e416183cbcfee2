"""Read and check the index of a VIMH dataset in shards, `vimh_shards.json`.

The index holds the metadata of the dataset, and for each split its shards and the hashes of their
content. A shard holds consecutive records of the binary form. All numbers of an index are compared
with the sizes of the files before they are used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from multihead.checked_json import parse_json_object
from multihead.data.source import Split
from multihead.data.source_function import is_address
from multihead.errors import DataError
from multihead.text import one_line
from multihead.vimh.binary import record_dtype
from multihead.vimh.info import SHARDS_FILE, VIMHInfo, check_info
from multihead.vimh.storage import Storage, open_storage

FORMAT, VERSION = "VIMH shards", 1
_MAX_BYTES = 64 << 20
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SPLITS: tuple[Split, ...] = ("train", "test")
_MEND = "Fetch it again, or write the dataset again with `multihead data shard`"


@dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
        file: Its name, `shard_name(split, number)`.
        rows: Its number of records, 1 or more.
        sha256: The hash of the file, in hexadecimal.
    """

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class SplitShards:
    """The shards of a split.

    Attributes:
        shards: The shards, in the order of the rows.
        images_sha256: The hash of all pixels in that order, in hexadecimal.
        labels_sha256: The hashes of the labels as int64 in that order, by head name.
    """

    shards: tuple[Shard, ...]
    images_sha256: str
    labels_sha256: Mapping[str, str]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The first row of each of the k shards, then the number of rows; int64 [k + 1]."""
        return np.cumsum([0, *(shard.rows for shard in self.shards)], dtype=np.int64)


@dataclass(frozen=True)
class ShardIndex:
    """The index of a dataset in shards.

    Attributes:
        place: The dataset's address, as the user wrote it.
        info: Its metadata.
        splits: The shards by split.
    """

    place: str
    info: VIMHInfo
    splits: Mapping[Split, SplitShards]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The layout of a record."""
        header = self.info.header_bytes
        assert header is not None
        return record_dtype(header, len(self.info.heads), self.info.image_shape)

    def split(self, name: str) -> SplitShards:
        """Return the shards of a split.

        Raises:
            DataError: If there is no such split.
        """
        for split, shards in self.splits.items():
            if split == name:
                return shards
        raise DataError(f"{self.place} has no split {name!r:.60}; it has {list(self.splits)}.")


def shard_name(split: str, number: int) -> str:
    """Return the file name of a shard; numbers begin at 0."""
    return f"{split}-{number:05}"


def read_index(storage: Storage) -> ShardIndex:
    """Read and check the index of a dataset, without its shards.

    Raises:
        DataError: If the index is missing, damaged, invalid or of another version.
    """
    where = f"{storage.place}/{SHARDS_FILE}"
    record = parse_json_object(storage.read(SHARDS_FILE, _MAX_BYTES + 1), where, _MAX_BYTES)
    if record.get("format") != FORMAT or record.get("version") != VERSION:
        said = f"{record.get('format')!r:.60}, version {record.get('version')!r:.60}"
        raise DataError(one_line(f"{where} has the format {said}; it must be {FORMAT} {VERSION}."))
    if not isinstance(record.get("info"), dict):
        raise DataError(f"{where}: info must be an object with the metadata of the dataset.")
    folder = Path(storage.place.partition("://")[2] or storage.place)
    info = replace(check_info(record["info"], folder, where), metadata=SHARDS_FILE)
    if info.header_bytes is None:
        raise DataError(f"{where}: info.label_encoding.metadata_bytes is missing; set 6 or 14.")
    splits = record.get("splits")
    if not isinstance(splits, dict) or not splits or not set(splits) <= set(_SPLITS):
        raise DataError(f"{where}: splits must be an object with train, test or both.")
    index = ShardIndex(storage.place, info, {})
    found = {
        name: _Reader(where, name, index).split(splits[name]) for name in _SPLITS if name in splits
    }
    return replace(index, splits=found)


def open_index(where: str | Path) -> tuple[Storage, ShardIndex]:
    """Open a dataset in shards, and check that its files exist and have the right sizes.

    Args:
        where: A folder, `file:///PATH` or `s3://BUCKET/PREFIX`.

    Raises:
        ConfigError: If data cannot be read from this kind of address.
        DataError: If there is no dataset, or its index or files are damaged.
    """
    storage = open_storage(where)
    sizes = storage.sizes()
    if SHARDS_FILE not in sizes:
        raise DataError(
            f"{storage.place} has no {SHARDS_FILE}, so it is not a dataset in shards. Check the "
            f"path, or make one with `multihead data shard`."
        )
    index = read_index(storage)
    for shards in index.splits.values():
        for shard in shards.shards:
            check_size(index, shard, sizes.get(shard.file))
    return storage, index


def check_size(index: ShardIndex, shard: Shard, found: int | None) -> None:
    """Compare a shard's file with the index.

    Raises:
        DataError: If the file is missing or of another size.
    """
    expected = shard.rows * index.dtype.itemsize
    if found is None:
        raise DataError(f"{index.place}/{shard.file} is missing. {_MEND}.")
    if found != expected:
        raise DataError(
            f"{index.place}/{shard.file} has {found:,} bytes, but {SHARDS_FILE} says {expected:,}. "
            f"{_MEND}."
        )


def is_sharded(where: str | Path) -> bool:
    """Return whether a folder or an address is a dataset in shards."""
    return is_address(where) or (Path(where) / SHARDS_FILE).is_file()


class _Reader:
    """Checks the entry of one split in an index."""

    def __init__(self, where: str, name: Split, index: ShardIndex) -> None:
        self.where, self.name, self.info = f"{where}: splits.{name}", name, index.info
        self.row_bytes = index.dtype.itemsize

    def split(self, record: object) -> SplitShards:
        if not isinstance(record, dict) or not isinstance(record.get("shards"), list):
            raise DataError(f"{self.where} must be an object with a list of shards.")
        labels = record.get("labels_sha256")
        heads = list(self.info.heads)
        if not isinstance(labels, dict) or set(labels) != set(heads):
            raise DataError(f"{self.where}.labels_sha256 must have a hash for each of {heads}.")
        shards = tuple(self._shard(i, entry) for i, entry in enumerate(record["shards"]))
        rows = sum(shard.rows for shard in shards)
        said = self.info.counts.get(self.name)
        if said is not None and said != rows:
            raise DataError(f"{self.where} has {rows:,} rows, but {self.name}_samples is {said:,}.")
        return SplitShards(
            shards,
            self._hash(record.get("images_sha256"), "images_sha256"),
            {name: self._hash(labels[name], f"labels_sha256.{name}") for name in heads},
        )

    def _shard(self, number: int, entry: object) -> Shard:
        key = f"shards[{number}]"
        if not isinstance(entry, dict):
            self._refuse(key, entry, "an object with file, rows, bytes and sha256")
        # The fixed name prevents a path outside the folder, and a file that is listed twice.
        if (file := entry.get("file")) != shard_name(self.name, number):
            self._refuse(f"{key}.file", file, repr(shard_name(self.name, number)))
        rows, size = entry.get("rows"), entry.get("bytes")
        if type(rows) is not int or not 1 <= rows < 2**40:
            self._refuse(f"{key}.rows", rows, "a whole number, 1 or more")
        if type(size) is not int or size != rows * self.row_bytes:
            self._refuse(f"{key}.bytes", size, f"{rows * self.row_bytes}, {self.row_bytes} a row")
        return Shard(str(file), rows, self._hash(entry.get("sha256"), f"{key}.sha256"))

    def _hash(self, value: object, key: str) -> str:
        if not isinstance(value, str) or not _HASH.fullmatch(value):
            self._refuse(key, value, "64 hexadecimal digits")
        return value

    def _refuse(self, key: str, value: object, allowed: str) -> NoReturn:
        raise DataError(one_line(f"{self.where}.{key} is {value!r:.60}; it must be {allowed}."))
