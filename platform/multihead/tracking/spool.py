"""An append-only file of records: everything in a run is written here first.

A line is `length crc32 json`, both numbers as eight hexadecimal digits. They make it possible to
recognise a line that a crash left incomplete. This module does not interpret the records.
"""

import json
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multihead.errors import RecordLostError, StoreError

Record = dict[str, Any]
DAMAGED: Record = {"what": "damaged"}
_HEAD = 18  # two numbers of eight digits, each followed by a space


@dataclass(frozen=True)
class Entry:
    """A record, and the byte offset in the file at which it ends."""

    record: Record
    end: int


def encode(record: Record) -> bytes:
    """Return a record as a line; NaN and infinity are kept as Python's JSON writes them."""
    body = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %08x %s\n" % (len(body), zlib.crc32(body), body)


def decode(line: bytes) -> Record | None:
    """Return the record of a line, or None if the line is incomplete or not a record."""
    body = line[_HEAD:-1]
    if line[-1:] != b"\n" or line[:_HEAD] != b"%08x %08x " % (len(body), zlib.crc32(body)):
        return None
    try:
        record: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("what"), str) else None


def read(path: Path, offset: int = 0) -> Iterator[Entry]:
    """Yield the records from a byte offset on, in order; `DAMAGED` for a damaged line.

    Bytes after the last newline are not yielded: that line is being written, or is incomplete.
    """
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if line[-1:] == b"\n":
                yield Entry(decode(line) or DAMAGED, offset)


class Spool:
    """Writes a spool; one process at a time, with any number of threads.

    Args:
        path: The file, made if it does not exist.
        end: Byte offset at which the last complete record ends; bytes after it are removed.

    Raises:
        StoreError: If the file cannot be written to.
    """

    def __init__(self, path: Path, end: int = 0) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._dirty = False
        self._end = end
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            os.ftruncate(self._file, end)
        except OSError as error:
            raise self._failed(error) from error

    def append(self, record: Record) -> None:
        """Add a record, which then survives any end of this process; see `flush` for power cuts.

        Raises:
            RecordLostError: If the file is no longer as this process left it; see `check`.
            StoreError: If the disk is full or fails; the file then stays as it was.
        """
        line = encode(record)
        with self._lock:
            self._check()
            self._dirty = True
            written = 0
            try:
                while written < len(line):
                    written += os.write(self._file, line[written:])
            except OSError as error:
                raise self._failed(error) from error
            finally:
                if written < len(line):
                    with suppress(OSError):  # a reader ignores an incomplete line
                        os.ftruncate(self._file, self._end)
            self._end += len(line)

    def check(self) -> None:
        """Check that the file is still in its place and as this process left it.

        Raises:
            RecordLostError: If another program deleted, moved, replaced or changed it, or a
                folder above it.
            StoreError: If the disk fails.
        """
        with self._lock:
            self._check()

    def _check(self) -> None:
        try:
            ours, there = os.fstat(self._file), self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            above = [self.path, *self.path.parents]
            gone = [path for path in above if not path.exists()] or [self.path]
            raise _lost(gone[-1], "deleted or moved") from None
        except OSError as error:
            raise self._failed(error) from error
        if not os.path.samestat(ours, there):
            raise _lost(self.path, "replaced")
        if ours.st_size != self._end:
            raise _lost(self.path, "changed")

    def flush(self) -> None:
        """Write the records to the disk, so that they survive a power cut too.

        Raises:
            StoreError: If the disk fails.
        """
        if self._dirty:
            self._dirty = False
            try:
                os.fsync(self._file)
            except OSError as error:
                self._dirty = True
                raise self._failed(error) from error

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            os.close(self._file)

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path} cannot be written to ({error.strerror}); free some space on its disk."
        )


def _lost(path: Path, how: str) -> RecordLostError:
    return RecordLostError(f"{path} was {how} by another program, so the run cannot go on.")
