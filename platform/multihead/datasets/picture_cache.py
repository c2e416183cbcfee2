"""Prepared pictures are kept in one file: made once, whole or not at all, and found by content."""

import errno
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import PIL
from filelock import FileLock

from multihead.datasets.picture_opening import PictureError, read_content
from multihead.datasets.picture_paths import PictureFile
from multihead.datasets.picture_store import (
    Problems,
    read_pictures,
    write_picture,
    write_pictures,
)
from multihead.datasets.picture_survey import Look, digest
from multihead.datasets.picture_workers import in_workers
from multihead.datasets.preparation import Preparation
from multihead.errors import DataError
from multihead.files import write_atomically

# Part of the key: to be changed with what `Preparation` does, so that old pixels are not found.
_VERSION = 1
_SPARE = 64 << 20  # bytes that a disk keeps for others


def prepared_path(looks: Sequence[Look], preparation: Preparation, folder: Path) -> Path:
    """Return where pixels are kept, by what they depend on: content and how it is prepared."""
    what = json.dumps([_VERSION, PIL.__version__, preparation.record()], sort_keys=True)
    key = blake2b(what.encode(), digest_size=16)
    for one in looks:
        key.update(f"{one.digest or one.problem}\n".encode())
    return folder / f"pictures-{key.hexdigest()}.npy"


def prepare_once(
    files: Sequence[PictureFile], looks: Sequence[Look], preparation: Preparation, folder: Path
) -> tuple[Path, int, Problems]:
    """Return a file of prepared pictures, made now unless there is one of the same content.

    Processes that ask at once wait for the first. What a killed one left is removed by the next.

    Args:
        files: Where the pictures are.
        looks: What is in them; those with a problem are left black.
        preparation: How they are prepared.
        folder: Of all such files.

    Returns:
        The file, how many bytes come before the pixels, and why pictures are missing, by position.

    Raises:
        DataError: If the folder cannot be written to, or the disk is too small.
    """
    path = prepared_path(looks, preparation, folder)
    shape = (len(files), *preparation.shape)
    found = read_pictures(path, shape)
    if found is not None:
        return path, *found
    with making(path):
        found = read_pictures(path, shape)
        if found is None:
            for left in folder.glob(f".{path.name}.*.tmp"):
                left.unlink()
            _refuse_small_disk(folder, int(np.prod(shape)))
            write_atomically(path, partial(_write, files, looks, preparation))
            found = read_pictures(path, shape)
    if found is None:
        raise DataError(f"{path} was changed while it was written; delete it and try again.")
    return path, *found


@contextmanager
def making(path: Path) -> Iterator[None]:
    """Have one process at a time make a file, which looks first whether another one has made it.

    The folder is made, and why nothing can be kept in it is said in one line.
    """
    folder = path.parent
    lock = folder / f".{path.name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield
            lock.unlink(missing_ok=True)  # whoever already waits for it looks first
    except OSError as error:
        advice = "free some of it" if error.errno == errno.ENOSPC else "make it writable"
        raise DataError(
            f"the prepared pictures cannot be kept in {folder} ({error.strerror or error}); "
            f"{advice}, or set data.cache=false to decode them anew in each epoch."
        ) from error


def enough_room(folder: Path, needed: int) -> bool:
    """Tell whether a folder's disk takes so many bytes, and keeps some for others."""
    return needed + _SPARE <= shutil.disk_usage(folder).free


def _refuse_small_disk(folder: Path, needed: int) -> None:
    if not enough_room(folder, needed):
        free = shutil.disk_usage(folder).free
        raise DataError(
            f"the prepared pictures take {needed / 1e9:,.1f} GB, and {folder} has "
            f"{free / 1e9:,.1f} GB left; choose a smaller data.size, set MULTIHEAD_HOME to a "
            f"larger disk, or data.cache=false to decode them anew in each epoch."
        )


def _write(
    files: Sequence[PictureFile], looks: Sequence[Look], preparation: Preparation, path: Path
) -> None:
    wanted = [(i, *each) for i, each in enumerate(zip(files, looks, strict=True))]

    def prepare(start: int) -> Iterator[str]:
        return in_workers(partial(_prepare, path, start, preparation), wanted, "preparing pictures")

    write_pictures(path, (len(files), *preparation.shape), prepare)


def _prepare(
    path: Path, start: int, preparation: Preparation, wanted: tuple[int, PictureFile, Look]
) -> str:
    """Write the pixels of one picture to their place, and return why there are none, if so."""
    position, file, seen = wanted
    if seen.problem:
        return seen.problem
    try:
        content = read_content(file.path)
        if digest(content) != seen.digest:
            raise PictureError("was changed while it was read")
        pixels = preparation.read(content)
    except PictureError as error:
        return str(error)
    write_picture(path, start, position, pixels)
    return ""
