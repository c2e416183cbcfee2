"""Prepared pictures in one file: written once, whole or not at all, and read in parts.

The file is what `numpy.save` writes, uint8 [N, C, H, W], so that people can open it. Behind the
pixels it says which of them could not be decoded. It is never mapped into memory: pages of a map
count as the process's own, and a full disk would kill who writes to one.
"""

import errno
import io
import json
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import PIL
from filelock import FileLock

from multihead.datasets.picture_opening import PictureError, read_content
from multihead.datasets.picture_paths import PictureFile
from multihead.datasets.picture_survey import Look, digest
from multihead.datasets.picture_workers import in_workers
from multihead.datasets.preparation import Preparation
from multihead.errors import DataError
from multihead.files import write_atomically

# Part of the key: to be changed with what `Preparation` does, so that old pixels are not found.
_VERSION = 1
_SPARE = 64 << 20  # bytes that a disk keeps for others
Problems = dict[int, str]


def content_key(looks: Sequence[Look], preparation: Preparation) -> str:
    """Return the digest of what the pixels depend on: the files' content and how it is prepared."""
    what = json.dumps([_VERSION, PIL.__version__, preparation.record()], sort_keys=True)
    key = blake2b(what.encode(), digest_size=16)
    for one in looks:
        key.update(f"{one.digest or one.problem}\n".encode())
    return key.hexdigest()


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
    path = folder / f"pictures-{content_key(looks, preparation)}.npy"
    shape = (len(files), *preparation.shape)
    found = _read(path, shape)
    if found is not None:
        return path, *found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / f".{path.name}.lock"
        with FileLock(lock):
            found = _read(path, shape)
            if found is None:
                for left in folder.glob(f".{path.name}.*.tmp"):
                    left.unlink()
                _refuse_small_disk(folder, int(np.prod(shape)))
                write_atomically(path, partial(_write, files, looks, preparation))
                found = _read(path, shape)
            # Whoever already waits for this lock looks for the pictures first.
            lock.unlink(missing_ok=True)
    except OSError as error:
        advice = "free some of it" if error.errno == errno.ENOSPC else "make it writable"
        raise DataError(
            f"the prepared pictures cannot be kept in {folder} ({error.strerror or error}); "
            f"{advice}, or set data.cache=false to decode them anew in each epoch."
        ) from error
    if found is None:
        raise DataError(f"{path} was changed while it was written; delete it and try again.")
    return path, *found


def _refuse_small_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise DataError(
            f"the prepared pictures take {needed / 1e9:,.1f} GB, and {folder} has "
            f"{free / 1e9:,.1f} GB left; choose a smaller data.size, set MULTIHEAD_HOME to a "
            f"larger disk, or data.cache=false to decode them anew in each epoch."
        )


def _write(
    files: Sequence[PictureFile], looks: Sequence[Look], preparation: Preparation, path: Path
) -> None:
    shape = (len(files), *preparation.shape)
    header, size = _header(shape), int(np.prod(preparation.shape))
    with path.open("wb") as file:
        number = file.fileno()
        os.pwrite(number, header, 0)

        prepare = partial(_prepare, path, len(header), preparation)
        wanted = [(i, *each) for i, each in enumerate(zip(files, looks, strict=True))]
        with _flushed_meanwhile(number):
            reasons = list(in_workers(prepare, wanted, "preparing pictures"))
        problems = {str(i): reason for i, reason in enumerate(reasons) if reason}
        end = len(header) + len(files) * size
        os.ftruncate(number, end)
        _write_all(number, memoryview(json.dumps(problems).encode()), end)


@contextmanager
def _flushed_meanwhile(number: int) -> Iterator[None]:
    """Have what is written go to the disk while more is made, so that the end need not wait."""
    done = threading.Event()

    def flush() -> None:
        while not done.wait(0.5):
            with suppress(OSError):  # the end finds out, and says so
                os.fsync(number)

    thread = threading.Thread(target=flush, name="flush", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


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
    with path.open("r+b", buffering=0) as opened:
        _write_all(opened.fileno(), pixels.data.cast("B"), start + position * pixels.nbytes)
    return ""


def _write_all(number: int, content: memoryview, offset: int) -> None:
    while content:
        done = os.pwrite(number, content, offset)
        content, offset = content[done:], offset + done


def _read(path: Path, shape: tuple[int, ...]) -> tuple[int, Problems] | None:
    """Return where the pixels begin and what is missing, if the file is whole and of that shape."""
    header, size = _header(shape), int(np.prod(shape))
    try:
        with path.open("rb") as file:
            if file.read(len(header)) != header:
                return None
            file.seek(len(header) + size)
            problems = json.loads(file.read())
    except (OSError, ValueError):
        return None
    if not isinstance(problems, dict):
        return None
    return len(header), {int(position): str(reason) for position, reason in problems.items()}


def _header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return header.getvalue()
