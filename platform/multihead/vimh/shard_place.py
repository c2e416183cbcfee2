"""Where a writer of shards puts its files, so that a set appears whole or not at all."""

import re
from pathlib import Path
from typing import Protocol

from multihead.errors import ConfigError, DataError
from multihead.text import one_line
from multihead.vimh.info import SHARDS_FILE
from multihead.vimh.publish import Publication
from multihead.vimh.storage import Storage, open_storage

_SHARD = re.compile(r"(train|test)-\d{5,}", re.ASCII)


class ShardPlace(Protocol):
    """Takes the files of one set."""

    def write(self, name: str, raw: bytes) -> None:
        """Write a shard."""

    def publish(self, index: bytes) -> None:
        """Write the index, which makes the set appear."""

    def close(self) -> None:
        """End; without `publish` there is no set."""


class NewFolder:
    """A folder that appears when it is published; see `Publication`."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._publication = Publication(path, SHARDS_FILE, overwrite=overwrite)

    def write(self, name: str, raw: bytes) -> None:
        """Write a file into the folder in the making."""
        try:
            (self._publication.folder / name).write_bytes(raw)
        except OSError as error:
            place = self._publication.path
            raise DataError(one_line(f"{place} cannot be written: {error.strerror}.")) from None

    def publish(self, index: bytes) -> None:
        """Put the folder into its place."""
        self.write(SHARDS_FILE, index)
        self._publication.publish()

    def close(self) -> None:
        """Remove what was not published."""
        self._publication.close()


class NewPrefix:
    """A prefix of a bucket; its index is written last, and removed first where there is one.

    What a writer that was killed left has no index, and the next writer replaces or deletes it.
    """

    def __init__(self, bucket: Storage, *, overwrite: bool) -> None:
        self._bucket, self._written = bucket, {SHARDS_FILE}
        self._before = bucket.sizes()
        if SHARDS_FILE in self._before:
            if not overwrite:
                raise ConfigError(f"{bucket.place} exists already; name another, or overwrite it.")
            bucket.remove([SHARDS_FILE])

    def write(self, name: str, raw: bytes) -> None:
        """Upload a shard."""
        self._bucket.write(name, raw)
        self._written.add(name)

    def publish(self, index: bytes) -> None:
        """Upload the index, and delete shards of an earlier set that it does not name."""
        self._bucket.write(SHARDS_FILE, index)
        left = self._before.keys() - self._written
        self._bucket.remove([name for name in sorted(left) if _SHARD.fullmatch(name)])

    def close(self) -> None:
        """Leave the rest as it is: without an index it is no set."""


def open_place(where: str | Path, *, overwrite: bool) -> ShardPlace:
    """Return the place that a path or an address names, ready to be written.

    Raises:
        ConfigError: If there is a set, or anything else, that may not be replaced.
        DataError: If the place cannot be written.
    """
    storage = open_storage(where)
    if storage.folder is not None:
        return NewFolder(storage.folder, overwrite=overwrite)
    return NewPrefix(storage, overwrite=overwrite)


def withdraw(where: str | Path) -> None:
    """Make a set that is damaged disappear."""
    open_storage(where).remove([SHARDS_FILE])
