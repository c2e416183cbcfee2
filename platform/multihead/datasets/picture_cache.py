"""A cache of prepared pictures: one complete file per set, found by the content of the set."""

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

# Part of the key. Change it when `Preparation` changes, so that old pixels are not used.
_VERSION = 1
_SPARE = 64 << 20  # bytes that stay free on a disk


def prepared_path(looks: Sequence[Look], preparation: Preparation, folder: Path) -> Path:
    """Return the path of prepared pixels. It depends on their content and preparation."""
    what = json.dumps([_VERSION, PIL.__version__, preparation.record()], sort_keys=True)
    key = blake2b(what.encode(), digest_size=16)
    for one in looks:
        key.update(f"{one.digest or one.problem}\n".encode())
    return folder / f"pictures-{key.hexdigest()}.npy"


def prepare_once(
    files: Sequence[PictureFile], looks: Sequence[Look], preparation: Preparation, folder: Path
) -> tuple[Path, int, Problems]:
    """Return a file of prepared pictures. It is created if none with this content exists.

    If several processes call this at once, one creates the file and the others wait. The next call
    removes what a killed process left.

    Args:
        files: The picture files.
        looks: What was found in them. Pictures with a problem become black.
        preparation: How they are prepared.
        folder: Folder of all such files.

    Returns:
        The file, the number of bytes before the pixels, and by position why pictures are missing.

    Raises:
        DataError: If the folder is not writable, or the disk is too small.
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
    """Hold a lock while a file is created. The caller checks first whether it exists.

    The folder is created. An error of the file system becomes a message of one line.
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
            f"{advice}, or set data.cache=false to decode them in each epoch."
        ) from error


def enough_room(folder: Path, needed: int) -> bool:
    """Return whether a folder's disk has room for so many bytes and some to spare."""
    return needed + _SPARE <= shutil.disk_usage(folder).free


def _refuse_small_disk(folder: Path, needed: int) -> None:
    if not enough_room(folder, needed):
        free = shutil.disk_usage(folder).free
        raise DataError(
            f"the prepared pictures take {needed / 1e9:,.1f} GB, and {folder} has "
            f"{free / 1e9:,.1f} GB left; choose a smaller data.size, set MULTIHEAD_HOME to a "
            f"larger disk, or data.cache=false to decode them in each epoch."
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
    """Write the pixels of one picture. Return its problem, or an empty text if there is none."""
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
