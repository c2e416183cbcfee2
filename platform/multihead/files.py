"""Write files completely or not at all, and check that paths stay in their folder."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from multihead.errors import PathError

_LONGEST_NAME, _LONGEST_PATH = 255, 1024  # bytes; limits of common file systems
_DRIVE = re.compile(r"[A-Za-z]:")


def inside(folder: Path, name: object, what: str) -> Path:
    """Return the path of a recorded name in a folder, after checking that it stays inside.

    A record may come from an untrusted source, so use this function for every path from a record.

    Args:
        folder: The folder that must contain the path.
        name: A name, or a relative path with `/`.
        what: The name of this value for error messages, such as `the tag multihead.run`.

    Raises:
        PathError: If the name is empty, absolute, too long, has a part such as `..` or control
            characters, or if a link leads out of the folder.
    """
    reason = _unfit(name)
    if reason is None:
        path = folder / str(name)
        if path.resolve().is_relative_to(folder.resolve()):
            return path
        reason = "a link leads out of it"
    raise PathError(f"{what} is {name!r:.80}, which is not inside {folder}: {reason}.")


def _unfit(name: object) -> str | None:
    """Return why this is not a relative path of plain names, or None."""
    if not isinstance(name, str):
        return "it is not a text"
    try:
        longest = max(len(part.encode()) for part in name.split("/"))
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if longest > _LONGEST_NAME or len(name.encode()) > _LONGEST_PATH:
        return f"it is longer than {_LONGEST_NAME} bytes in a part or {_LONGEST_PATH} in all"
    if name.startswith("/") or "\\" in name or _DRIVE.match(name):
        return "it is an absolute path, or one of another system"
    if not all(c.isprintable() for c in name):
        return "it has control characters"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "it has an empty part, or . or .."
    return None


def write_atomically(
    path: Path,
    write: Callable[[Path], None],
    *,
    durable: bool = True,
    make_folder: bool = True,
) -> None:
    """Write a file so that readers see the old file or the complete new one, even after a crash.

    Args:
        path: The file to make or replace.
        write: Writes the content; it is called with a temporary path in the same folder.
        durable: Flush file and folder to the disk, so that a power failure cannot undo the change.
        make_folder: Make the file's folder. If false, a missing folder is an error.

    Raises:
        OSError: If the file cannot be written; the old file stays.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        if durable:
            put_in_place(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a complete file in its folder, so that a power failure cannot undo it."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def write_text_atomically(
    path: Path, text: str, *, durable: bool = True, make_folder: bool = True
) -> None:
    """Write a text in UTF-8 with `write_atomically`."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write, durable=durable, make_folder=make_folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, so that a rename in it is permanent."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link(source: Path, target: Path) -> None:
    """Make a hard link to a file, or a copy if the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
