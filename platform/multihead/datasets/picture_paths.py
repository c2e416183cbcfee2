"""Find the files that the cells of a table name, and check that they are in the folder."""

import os
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from multihead.errors import DataError
from multihead.text import one_line

_SHOWN = 10
_NAME = 80  # characters per name in a list


@dataclass(frozen=True)
class PictureFile:
    """The file that a row names.

    Attributes:
        path: Its path, with links resolved.
        name: Its path in the folder, as the table gives it.
        row: Row of the table, for messages.
        size: Size in bytes.
        stamp: Times of the last changes of its content and of its entry, in nanoseconds. It changes
            when the file is written, moved or replaced. Programs can reset only the first time.
        problem: Why it cannot be read, as the end of a sentence. Empty if it can.
        other: Whether it was found under another spelling or with a suffix.
    """

    path: Path
    name: str
    row: int
    size: int = 0
    stamp: tuple[int, int] = (0, 0)
    problem: str = ""
    other: bool = False


def find_files(
    paths: Sequence[Path], rows: Sequence[int], root: Path, *, follow_links: bool = False
) -> list[PictureFile]:
    """Return the file of each path, in their order.

    If a path does not exist, a file with another case of its letters, another form of its accents
    or an added suffix is used instead, provided that exactly one file fits.

    Args:
        paths: Cells of a table joined to the folder, otherwise unchanged.
        rows: Their rows in the table.
        root: The folder.
        follow_links: Whether symbolic links may lead out of the folder.

    Raises:
        DataError: If paths are absolute, have `..`, or lead out of the folder. The message lists
            them.
    """
    finder = _Finder(root, follow_links=follow_links)
    found, outside = [], []
    for path, row in zip(paths, rows, strict=True):
        try:
            found.append(finder.find(path, row))
        except DataError as error:
            outside.append(f"row {row:,}: {error}")
    if outside:
        links = not any("a link leads" not in text for text in outside)
        advice = (
            "set data.follow_links=true if these links are intended"
            if links
            else "name pictures relative to the folder"
        )
        raise DataError(
            f"{len(outside):,} of {len(paths):,} pictures are not inside "
            f"{one_line(str(root), 200)}: {listed(outside)}; {advice}."
        )
    return found


def listed(texts: Sequence[str]) -> str:
    """Return the first few texts and the number of the others."""
    more = f"; and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


class _Finder:
    def __init__(self, root: Path, *, follow_links: bool) -> None:
        self.root, self.real = root, os.path.realpath(root)
        self.follow_links = follow_links
        self._folders: dict[Path, str] = {}
        self._names: dict[Path, dict[str, list[str]]] = {}

    def find(self, path: Path, row: int) -> PictureFile:
        """Return the file of a path.

        Raises:
            DataError: If it is not inside the folder.
        """
        name = self._inside(path)
        shown = one_line(name, _NAME)
        for other in (False, True):
            candidate = self._alike(path) if other else path
            if candidate is None:
                continue
            try:
                real = self._real(candidate)
                facts = os.stat(real)
            except (OSError, ValueError):  # ValueError: the path has a NUL
                continue
            if not stat.S_ISREG(facts.st_mode):
                return PictureFile(path, shown, row, problem="is no file")
            stamp = facts.st_mtime_ns, facts.st_ctime_ns
            return PictureFile(Path(real), shown, row, facts.st_size, stamp, other=other)
        return PictureFile(path, shown, row, problem="is missing")

    def _inside(self, path: Path) -> str:
        root = self.root.absolute() if path.is_absolute() else self.root
        try:
            name = path.relative_to(root)
        except ValueError:
            raise DataError(f"{one_line(str(path), _NAME)} is a path elsewhere") from None
        if ".." in name.parts:
            raise DataError(f"{one_line(str(name), _NAME)} has ..")
        return str(name)

    def _real(self, path: Path) -> str:
        """Return a path with links resolved.

        Raises:
            DataError: If a link leads out of the folder.
            OSError: If there is no such file.
        """
        folder = self._folders.get(path.parent)
        if folder is None:
            folder = self._folders[path.parent] = os.path.realpath(path.parent)
        real = os.path.join(folder, path.name)
        if stat.S_ISLNK(os.lstat(real).st_mode):
            real = os.path.realpath(real)
        if not self.follow_links and not real.startswith(self.real.rstrip(os.sep) + os.sep):
            name = one_line(self._inside(path), _NAME)
            raise DataError(f"{name}: a link leads to {one_line(real, _NAME)}")
        return real

    def _alike(self, path: Path) -> Path | None:
        """Return the file with a similar name, if there is exactly one."""
        names = self._names.get(path.parent)
        if names is None:
            names = self._names[path.parent] = _alike_names(path.parent)
        found = names.get(_spelling(path.name), [])
        return path.with_name(found[0]) if len(found) == 1 else None


def _alike_names(folder: Path) -> dict[str, list[str]]:
    """Return the names of a folder's files by normalised name, with and without suffix."""
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError):
        return {}
    found: dict[str, list[str]] = {}
    suffixes = Image.registered_extensions()
    for name in names:
        found.setdefault(_spelling(name), []).append(name)
        stem, suffix = os.path.splitext(_spelling(name))
        if suffix in suffixes:
            found.setdefault(stem, []).append(name)
    return found


def _spelling(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
