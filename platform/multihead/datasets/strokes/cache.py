"""Measure many pictures once, in parallel, and store the measures by the pictures' digest."""

import hashlib
import io
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from multihead.datasets.strokes.measure import COLUMNS
from multihead.datasets.strokes.parallel import measure_in_parallel
from multihead.errors import DataError
from multihead.files import write_atomically

# Part of the key. Change it when a definition changes, so that old measures are not used.
_DEFINITIONS = "strokes 1"
_log = logging.getLogger(__name__)


def measured_once(images: NDArray[np.uint8], folders: Sequence[Path]) -> pd.DataFrame:
    """Return `measure_strokes` of pictures, from a file if they were measured before.

    The file appears only when it is complete. A damaged file is replaced. If several processes call
    this at once, one measures and the others wait. Reading a file runs no code in it, and takes no
    more memory than the file has bytes.

    Args:
        images: uint8 [N, H, W].
        folders: Folders to search. The file is created in the first writable one.

    Raises:
        DataError: If no folder is writable, or the images cannot be measured.
    """
    name = f"strokes-{_digest(images)}.npy"
    found = _find(name, len(images), folders)
    if found is not None:
        return found
    folder = _writable(folders)
    lock = folder / f".{name}.lock"
    try:
        with FileLock(lock):
            try:
                return _measure_into(folder / name, images)
            finally:
                # Processes that wait for this lock check first whether the measures exist.
                lock.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{folder / name} cannot be written: {error.strerror or error}.") from error


def _measure_into(path: Path, images: NDArray[np.uint8]) -> pd.DataFrame:
    found = _find(path.name, len(images), [path.parent])
    if found is not None:
        return found
    # A training sets up no log handler, so the warning goes to stderr unchanged.
    _log.warning("measuring the strokes of %s pictures, once, into %s", f"{len(images):,}", path)
    table = measure_in_parallel(images)
    content = _header(len(table)) + table.to_numpy("<f8").tobytes()
    write_atomically(path, partial(_write, content))
    return table


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _find(name: str, count: int, folders: Sequence[Path]) -> pd.DataFrame | None:
    for folder in folders:
        if (folder / name).is_file():
            values = _read(folder / name, count)
            if values is not None:
                return pd.DataFrame(values, columns=list(COLUMNS))
            _log.warning("%s is damaged; its pictures are measured again", folder / name)
    return None


def _read(path: Path, count: int) -> NDArray[np.float64] | None:
    """Read measures [count, columns], or return None if the file is not exactly as expected."""
    header = _header(count)
    try:
        if path.stat().st_size != len(header) + 8 * count * len(COLUMNS):
            return None
        content = path.read_bytes()
    except OSError:
        return None
    values = np.frombuffer(content, "<f8", offset=len(header)).reshape(count, len(COLUMNS))
    if not content.startswith(header) or np.isinf(values).any():
        return None
    return values.astype(np.float64)


def _header(count: int) -> bytes:
    """Return the header of NumPy's format, so that `np.load` can open the file."""
    header = io.BytesIO()
    facts = {"descr": "<f8", "fortran_order": False, "shape": (count, len(COLUMNS))}
    np.lib.format.write_array_header_1_0(header, facts)
    return header.getvalue()


def _writable(folders: Sequence[Path]) -> Path:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise DataError(
        f"measures of strokes cannot be stored in any of {[str(folder) for folder in folders]}; "
        f"make one of them writable."
    )


def _digest(images: NDArray[np.uint8]) -> str:
    whole = hashlib.sha256(f"{_DEFINITIONS} {images.shape}".encode())
    whole.update(np.ascontiguousarray(images).data)
    return whole.hexdigest()[:32]
