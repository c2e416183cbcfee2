"""The file of prepared pictures: what `numpy.save` writes, and behind the pixels what is missing.

Pixels are uint8 [N, C, H, W], so that people can open the file. It is never mapped into memory:
pages of a map count as the process's own, and a full disk would kill who writes to one.
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
        shape: Of all pixels [N, C, H, W].
        prepare: Called with how many bytes come before the pixels, when these can be written;
            gives for each picture in order why there is none, and nothing if there is.
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
    """Write the pixels [C, H, W] of one picture to their place; any process may do so."""
    number = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _write_all(number, pixels.data.cast("B"), start + position * pixels.nbytes)
    finally:
        os.close(number)


def of_shape(path: Path, shape: Shape) -> bool:
    """Tell whether a file holds pictures of a shape [N, C, H, W]."""
    header = _header(shape)
    try:
        with path.open("rb") as file:
            return file.read(len(header)) == header
    except OSError:
        return False


def read_pictures(path: Path, shape: Shape) -> tuple[int, Problems] | None:
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
