"""Storage of a dataset in shards: a local folder, or a prefix of an S3 bucket.

Both are accessed through fsspec. s3fs and botocore read the endpoint and credentials of S3 from the
environment. s3fs tries a request five times, and botocore tries each of these `AWS_MAX_ATTEMPTS`
times. If a request still fails, the error is one line.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from multihead.errors import ConfigError, DataError, DataUnreachableError, message_of
from multihead.text import one_line


class Storage:
    """The files of one folder. Any number of threads may read them at the same time.

    Failures raise `DataError`, or `DataUnreachableError` if a later attempt may succeed.

    Args:
        files: The file system of the folder.
        path: The folder's path in that file system.
        place: The folder as the user wrote it.
        faults: Exceptions of the file system other than `OSError`.

    Attributes:
        place: The folder as the user wrote it, on one line.
        folder: The path of a local folder, else None.
    """

    def __init__(
        self,
        files: AbstractFileSystem,
        path: str,
        place: str,
        faults: tuple[type[Exception], ...] = (),
    ) -> None:
        self._files, self._within = files, f"{path.rstrip('/')}/"
        self._faults: tuple[type[Exception], ...] = (OSError, *faults)
        self.place = one_line(place)
        self.folder = Path(path) if isinstance(files, LocalFileSystem) else None

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file by name, uncached; empty if there is no folder."""
        with self._named():
            try:
                found = self._files.ls(self._within, detail=True, refresh=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
            return {
                entry["name"].removeprefix(self._within): int(entry["size"])
                for entry in found  # `ls` of a file lists the file itself
                if entry["name"].startswith(self._within) and self._is_file(entry)
            }

    def read(self, name: str, most: int) -> bytes:
        """Return a file, or its first `most` bytes."""
        return self._range(name, 0, most)

    def read_into(self, name: str, start: int, out: memoryview) -> None:
        """Fill `out` with the bytes of a file from `start` on, with one request."""
        if self.folder is not None:  # read directly into `out`, without a copy
            with self._named(name), self._files.open(self._within + name, "rb") as file:
                file.seek(start)
                size = file.readinto(out)
        else:
            raw = self._range(name, start, start + len(out))
            size = len(raw)
            out[:size] = raw
        if size != len(out):
            raise DataError(
                f"{self.place}/{name} was cut to {start + size:,} bytes while it was read. "
                f"Fetch or write it again, and restart."
            )

    def write(self, name: str, raw: bytes) -> None:
        """Write a whole file."""
        with self._named(name, "written"):
            self._files.pipe_file(self._within + name, raw)

    def remove(self, names: list[str]) -> None:
        """Delete files, if they are there."""
        if names:
            with self._named(names[0], "deleted"), suppress(FileNotFoundError):
                self._files.rm([self._within + name for name in names])

    def _range(self, name: str, start: int, end: int) -> bytes:
        path = self._within + name
        with self._named(name):
            if self.folder is not None:  # otherwise fsspec allocates memory for all of it first
                end = min(end, self._files.size(path))
            raw: bytes = self._files.cat_file(path, start=start, end=end)
        return raw

    def _is_file(self, entry: dict[str, Any]) -> bool:
        """Return whether an entry is a regular file or a link to one."""
        linked = entry.get("islink", False)
        return bool(self._files.isfile(entry["name"]) if linked else entry["type"] == "file")

    @contextmanager
    def _named(self, name: str = "", done: str = "read") -> Iterator[None]:
        """Turn an error of the file system into one line that names the file."""
        try:
            yield
        except self._faults as error:
            what = f"{self.place}/{name}".rstrip("/") + f" cannot be {done}"
            reason = getattr(error, "strerror", None) or message_of(error)
            absent = isinstance(error, FileNotFoundError | PermissionError)
            if absent or self.folder is not None:
                text = f"{what}: {reason}. Check name and permissions, or fetch or write it again."
                raise DataError(one_line(text)) from None
            text = (
                f"{what}, after several tries: {reason}. Check the endpoint, credentials and "
                f"network, then start or resume again."
            )
            raise DataUnreachableError(one_line(text)) from None


def open_storage(where: str | Path) -> Storage:
    """Return the storage at a path, `file://` or `s3://bucket/prefix`, without reading anything.

    Raises:
        ConfigError: If the address is of another kind, or the extra that it needs is not installed.
    """
    text = str(where)
    scheme, address, rest = text.partition("://")
    if not address:
        return _folder(Path(text))
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise ConfigError(f"{one_line(text)} is not a local file; write file:///PATH.")
        return _folder(Path(unquote(parts.path)))
    if scheme != "s3" or not rest.strip("/"):
        raise ConfigError(
            f"data cannot be read from {one_line(text)}; give a path, file:///PATH or "
            f"s3://BUCKET/PREFIX."
        )
    return _prefix(rest.strip("/"))


def _folder(path: Path) -> Storage:
    path = path.expanduser()
    # Absolute, because fsspec reads a name such as `local:x` as a protocol.
    return Storage(LocalFileSystem(), str(path.absolute()), str(path))


def _prefix(path: str) -> Storage:
    place = f"s3://{path}"
    try:
        import aiohttp
        import s3fs
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ConfigError(
            f"{one_line(place)} needs s3fs, which is not installed: pip install 'multihead[s3]'."
        ) from None
    return Storage(s3fs.S3FileSystem(), path, place, (BotoCoreError, aiohttp.ClientError))
