"""Make a folder appear complete or not at all, and clear away what killed writers left."""

import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from multihead.errors import ConfigError, DataError
from multihead.text import one_line


class Publication:
    """A folder in the making, beside the place where it will be.

    The working folder `.NAME.writing-*` holds a lock that dies with its process, so that a later
    writer can tell what is left of a killed one.

    Args:
        path: The folder to make.
        marker: A file by which a folder that may be replaced is known.
        overwrite: Whether a folder may be replaced.

    Attributes:
        folder: Where to write the files.
        scratch: Where to write what is not published.

    Raises:
        ConfigError: If there is something at the path that may not be replaced.
        DataError: If the place cannot be written.
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
        """Bring all that was written to the disk, and put the folder into its place.

        Raises:
            ConfigError: If another writer has put one there meanwhile.
            DataError: If the disk refuses.
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
        """Remove the working folder; without `publish` nothing remains."""
        _restore(self._work, self.path)
        shutil.rmtree(self._work, ignore_errors=True)
        self._lock.release()

    def _check_place(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not self.overwrite:
            raise ConfigError(
                one_line(f"{self.path} exists already; remove it, or pass overwrite=True.")
            )
        if not (self.path / self.marker).is_file():
            raise ConfigError(
                one_line(f"{self.path} is not replaced, because it has no {self.marker}.")
            )

    def _clear_leftovers(self) -> None:
        for left in self.path.parent.iterdir():
            if not (left.name.startswith(f".{self.path.name}.writing-") and left.is_dir()):
                continue
            lock = FileLock(left / "lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue  # its writer lives
            _restore(left, self.path)
            shutil.rmtree(left, ignore_errors=True)
            lock.release()

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(one_line(f"{self.path} cannot be written: {error.strerror}."))


def _restore(work: Path, path: Path) -> None:
    """Put back the folder that was to be replaced, if its successor never came."""
    if (work / "old").exists() and not path.exists():
        (work / "old").rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
