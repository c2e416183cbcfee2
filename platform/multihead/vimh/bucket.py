"""The files of a set in shards on S3-compatible storage, through s3fs.

Endpoint and credentials come from the environment, as s3fs and botocore document them. s3fs tries
a request five times before it gives up, and botocore each of these as often as its
`AWS_MAX_ATTEMPTS` says; what still fails is one line.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from multihead.errors import ConfigError, DataError, DataUnreachableError, message_of
from multihead.text import one_line
from multihead.vimh.storage_faults import cut_short


class Bucket:
    """A prefix of a bucket, as a flat folder; see `multihead.vimh.storage.Storage`.

    Args:
        path: `BUCKET/PREFIX`.

    Raises:
        ConfigError: Without s3fs.
    """

    def __init__(self, path: str) -> None:
        try:
            import s3fs
        except ImportError:
            raise ConfigError(
                f"s3://{path} needs s3fs, which is not installed: pip install 'multihead[s3]'."
            ) from None
        self.path, self.place = path, one_line(f"s3://{path}")
        self._files: Any = s3fs.S3FileSystem()

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file by name, asked anew."""
        with self._named(""):
            try:
                found = self._files.ls(self.path, detail=True, refresh=True)
            except FileNotFoundError:
                return {}
        return {
            entry["name"].rpartition("/")[2]: int(entry["size"])
            for entry in found
            if entry["type"] == "file"
        }

    def read(self, name: str, most: int) -> bytes:
        """Return the beginning of a file."""
        with self._named(name):
            raw: bytes = self._files.cat_file(f"{self.path}/{name}", start=0, end=most)
        return raw

    def read_into(self, name: str, start: int, out: memoryview) -> None:
        """Read from a file by one request for the range."""
        with self._named(name):
            raw = self._files.cat_file(f"{self.path}/{name}", start=start, end=start + len(out))
        if len(raw) != len(out):
            raise cut_short(self.place, name, start + len(raw))
        out[:] = raw

    def write(self, name: str, raw: bytes) -> None:
        """Write a file as a whole."""
        with self._named(name, "written"):
            self._files.pipe_file(f"{self.path}/{name}", raw)

    def remove(self, names: list[str]) -> None:
        """Delete files, those that are there."""
        if names:
            with self._named(names[0], "deleted"):
                self._files.rm([f"{self.path}/{name}" for name in names])

    @contextmanager
    def _named(self, name: str, done: str = "read") -> Iterator[None]:
        import aiohttp
        from botocore.exceptions import BotoCoreError

        what = f"{self.place}/{name}".rstrip("/")
        try:
            yield
        except (FileNotFoundError, PermissionError) as error:
            raise DataError(
                one_line(f"{what} cannot be {done}: {message_of(error)}. Check name and rights.")
            ) from None
        except (OSError, BotoCoreError, aiohttp.ClientError) as error:
            raise DataUnreachableError(
                one_line(
                    f"{what} cannot be {done}, after several tries: {message_of(error)}. Check "
                    f"endpoint, credentials and network, and start or resume when it answers."
                )
            ) from None
