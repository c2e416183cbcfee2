"""Publish a folder only when it is complete, and remove what killed writers left."""

import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from multihead.errors import ConfigError, DataError
from multihead.text import one_line


class Publication:
    """A folder that is written beside its final place, then moved there.

    The working folder `.NAME.writing-*` has a lock that is released when its process ends. So a
    later writer recognises the working folder of a killed one.

    Args:
        path: The folder to make.
        marker: A folder may be replaced only if it has a file with this name.
        overwrite: Whether a folder may be replaced.

    Attributes:
        folder: The folder for the files to publish.
        scratch: The folder for temporary files.

    Raises:
        ConfigError: If the path exists and may not be replaced.
        DataError: If the path cannot be written.
    """

    def __init__(self, path: Path, marker: str, *, overwrite: bool) -> None:
        self.path, self.marker, self.overwrite = path.absolute(), marker, overwrite
        self._check_place()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._clear_leftovers()
            prefix = f".{self.path.name}.writing-"
            self._work = Path(tempfile.mkdtemp(prefix=prefix, dir=self.path.parent))
            self._lock = FileLock(self._work / "lock")
            self._lock.acquire(blocking=False)
            self.folder, self.scratch = self._work / "new", self._work / "scratch"
            self.folder.mkdir()
            self.scratch.mkdir()
        except OSError as error:
            raise self._unwritable(error) from None

    def publish(self) -> None:
        """Flush all files to the disk, and move the folder to its place.

        Raises:
            ConfigError: If another writer made this folder in the meantime.
            DataError: If the folder cannot be written.
        """
        self._check_place()
        try:
            for file in [*self.folder.iterdir(), self.folder]:
                _sync(file)
            if self.path.exists():
                self.path.rename(self._work / "old")
            self.folder.rename(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Remove the working folder; if `publish` was not called, no files remain."""
        _restore(self._work, self.path)
        shutil.rmtree(self._work, ignore_errors=True)
        self._lock.release()

    def _check_place(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not self.overwrite:
            raise ConfigError(
                one_line(f"{self.path} already exists; remove it, or pass overwrite=True.")
            )
        if not (self.path / self.marker).is_file():
            raise ConfigError(
                one_line(f"{self.path} cannot be replaced, because it has no {self.marker}.")
            )

    def _clear_leftovers(self) -> None:
        for left in self.path.parent.iterdir():
            if not (left.name.startswith(f".{self.path.name}.writing-") and left.is_dir()):
                continue
            lock = FileLock(left / "lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue  # its writer is still running
            _restore(left, self.path)
            shutil.rmtree(left, ignore_errors=True)
            lock.release()

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(one_line(f"{self.path} cannot be written: {error.strerror}."))


def _restore(work: Path, path: Path) -> None:
    """Move the replaced folder back if the new one was not published."""
    if (work / "old").exists() and not path.exists():
        (work / "old").rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
