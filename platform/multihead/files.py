"""Files that are whole or absent, also after a crash, and the hashes that prove it."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None], *, durable: bool = True) -> None:
    """Write a file so that a reader finds the old one or the whole new one, also after a crash.

    Args:
        path: The file to make or replace.
        write: Called with a temporary path beside it.
        durable: Flush file and folder to the disk, so that a power cut cannot undo the change.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text in UTF-8 as `write_atomically` does."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write, durable=durable)


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk: a rename is lasting only then."""
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
    """Give a file a second name; a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
