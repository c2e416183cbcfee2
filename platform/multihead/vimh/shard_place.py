"""Places for the files of a dataset in shards. A dataset appears only when it is complete."""

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
    """Receives the files of one dataset."""

    def write(self, name: str, raw: bytes) -> None:
        """Write a shard."""

    def publish(self, index: bytes) -> None:
        """Write the index; this makes the dataset visible."""

    def close(self) -> None:
        """Clean up; if `publish` was not called, there is no dataset."""


class NewFolder:
    """A folder that appears when it is published; see `Publication`."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._publication = Publication(path, SHARDS_FILE, overwrite=overwrite)

    def write(self, name: str, raw: bytes) -> None:
        """Write a file into the working folder."""
        try:
            (self._publication.folder / name).write_bytes(raw)
        except OSError as error:
            place = self._publication.path
            raise DataError(one_line(f"{place} cannot be written: {error.strerror}.")) from None

    def publish(self, index: bytes) -> None:
        """Move the folder to its place."""
        self.write(SHARDS_FILE, index)
        self._publication.publish()

    def close(self) -> None:
        """Remove the working folder."""
        self._publication.close()


class NewPrefix:
    """A prefix of a bucket. An old index is removed first, and the new index is written last.

    So the files of a killed writer have no index. The next writer replaces or deletes them.
    """

    def __init__(self, bucket: Storage, *, overwrite: bool) -> None:
        self._bucket, self._written = bucket, {SHARDS_FILE}
        self._before = bucket.sizes()
        if SHARDS_FILE in self._before:
            if not overwrite:
                raise ConfigError(
                    f"{bucket.place} already exists; choose another place, or overwrite it."
                )
            bucket.remove([SHARDS_FILE])

    def write(self, name: str, raw: bytes) -> None:
        """Upload a shard."""
        self._bucket.write(name, raw)
        self._written.add(name)

    def publish(self, index: bytes) -> None:
        """Upload the index, and delete shards of an earlier dataset that it does not list."""
        self._bucket.write(SHARDS_FILE, index)
        left = self._before.keys() - self._written
        self._bucket.remove([name for name in sorted(left) if _SHARD.fullmatch(name)])

    def close(self) -> None:
        """Do nothing, because files without an index are not a dataset."""


def open_place(where: str | Path, *, overwrite: bool) -> ShardPlace:
    """Return the place at a path or an address, ready for writing.

    Raises:
        ConfigError: If the place exists and may not be replaced.
        DataError: If the place cannot be written.
    """
    storage = open_storage(where)
    if storage.folder is not None:
        return NewFolder(storage.folder, overwrite=overwrite)
    return NewPrefix(storage, overwrite=overwrite)


def withdraw(where: str | Path) -> None:
    """Delete the index of a damaged dataset, so that it cannot be opened."""
    open_storage(where).remove([SHARDS_FILE])
