"""Where the files of a set in shards lie: a folder of this machine, or a bucket behind a URL."""

import stat
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from multihead.errors import ConfigError, DataError
from multihead.text import one_line
from multihead.vimh.storage_faults import cut_short


class Storage(Protocol):
    """The files of one folder, read by any number of threads at once.

    Attributes:
        place: The folder as a user names it.
    """

    place: str

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file by name; none where there is no folder."""

    def read(self, name: str, most: int) -> bytes:
        """Return a file, or its first `most` bytes.

        Raises:
            DataError: If it cannot be read.
        """

    def read_into(self, name: str, start: int, out: memoryview) -> None:
        """Fill `out` with the bytes of a file from `start` on.

        Raises:
            DataError: If the file is missing or ends before that.
        """


class LocalStorage:
    """A folder of this machine; see `Storage`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, one_line(str(folder))

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each regular file by name."""
        if not self.folder.is_dir():
            return {}
        found = ((path.name, path.stat()) for path in self.folder.iterdir() if path.exists())
        return {name: facts.st_size for name, facts in found if stat.S_ISREG(facts.st_mode)}

    def read(self, name: str, most: int) -> bytes:
        """Return the beginning of a file."""
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(most)
        except OSError as error:
            raise DataError(f"{self.place}/{name} cannot be read: {error.strerror}.") from None

    def read_into(self, name: str, start: int, out: memoryview) -> None:
        """Read from a file into memory that is there already."""
        try:
            with (self.folder / name).open("rb", buffering=0) as file:
                file.seek(start)
                done = 0
                while done < len(out) and (count := file.readinto(out[done:])):
                    done += count
        except OSError as error:
            raise DataError(
                f"{self.place}/{name} cannot be read: {error.strerror}. Fetch or write it again."
            ) from None
        if done < len(out):
            raise cut_short(self.place, name, start + done)


def open_storage(where: str | Path) -> Storage:
    """Return the storage that a path, `file://` or `s3://bucket/prefix` names; nothing is read.

    Raises:
        ConfigError: For an address of another kind, or without the extra that it needs.
    """
    text = str(where)
    if "://" not in text:
        return LocalStorage(Path(text).expanduser())
    scheme, _, rest = text.partition("://")
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise ConfigError(f"{one_line(text)} is no file of this machine; write file:///PATH.")
        return LocalStorage(Path(unquote(parts.path)))
    if scheme != "s3" or not rest.strip("/"):
        raise ConfigError(
            f"{one_line(text)} is no address that data are read from; give a path, file:///PATH "
            f"or s3://BUCKET/PREFIX."
        )
    from multihead.vimh.bucket import Bucket

    return Bucket(rest.strip("/"))
