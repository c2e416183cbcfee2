"""The file of prepared pictures: the format of `numpy.save`, then the list of missing pictures.

Pixels are uint8 [N, C, H, W], and `numpy.load` can open the file. It is not memory-mapped, because
mapped pages count as memory of the process, and a full disk would kill a process that writes.
"""

import io
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Problems = dict[int, str]
Shape = tuple[int, ...]


def write_pictures(path: Path, shape: Shape, prepare: Callable[[int], Iterable[str]]) -> None:
    """Write a file of prepared pictures.

    Args:
        path: The file.
        shape: Shape of all pixels, [N, C, H, W].
        prepare: A function of the number of bytes before the pixels. It writes the pixels, and
            yields for each picture in order its problem, or an empty text.
    """
    header = _header(shape)
    with path.open("wb") as file:
        number = file.fileno()
        os.pwrite(number, header, 0)
        with _flushed_meanwhile(number):
            reasons = list(prepare(len(header)))
        problems = {str(i): reason for i, reason in enumerate(reasons) if reason}
        end = len(header) + int(np.prod(shape))
        os.ftruncate(number, end)
        _write_all(number, memoryview(json.dumps(problems).encode()), end)


def write_picture(path: Path, start: int, position: int, pixels: NDArray[np.uint8]) -> None:
    """Write the pixels [C, H, W] of one picture. Several processes may do so at once."""
    number = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _write_all(number, pixels.data.cast("B"), start + position * pixels.nbytes)
    finally:
        os.close(number)


def of_shape(path: Path, shape: Shape) -> bool:
    """Return whether a file has pictures of a shape [N, C, H, W]."""
    header = _header(shape)
    try:
        with path.open("rb") as file:
            return file.read(len(header)) == header
    except OSError:
        return False


def read_pictures(path: Path, shape: Shape) -> tuple[int, Problems] | None:
    """Return the start of the pixels and the missing pictures, or None for an unusable file."""
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


def _header(shape: Shape) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return header.getvalue()


def _write_all(number: int, content: memoryview, offset: int) -> None:
    while content:
        done = os.pwrite(number, content, offset)
        content, offset = content[done:], offset + done


@contextmanager
def _flushed_meanwhile(number: int) -> Iterator[None]:
    """Flush written data to the disk in the background, so that the last flush is short."""
    done = threading.Event()

    def flush() -> None:
        while not done.wait(0.5):
            with suppress(OSError):  # the last flush reports errors
                os.fsync(number)

    thread = threading.Thread(target=flush, name="flush", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
