"""Read the windows of an epoch. Threads read the next window while the current one is used.

Threads suffice, because reading from files and sockets does not hold Python's global lock. The
number of threads does not change the rows of a window.
"""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, cycle

import numpy as np
from numpy.typing import NDArray

from multihead.vimh.labels import Scheme
from multihead.vimh.shard_file import Records, ShardFile
from multihead.vimh.stream.order import Window


@dataclass(frozen=True)
class Loaded:
    """A window with its rows. It is valid until the window after the next one is requested.

    Attributes:
        window: The rows and their positions.
        records: The records in reading order, [n].
        codes: Their checked labels [n] by head name.
    """

    window: Window
    records: Records
    codes: dict[str, NDArray[np.int64]]

    def take(self, start: int, stop: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
        """Return copies of the images uint8 [n, C, H, W] and labels [n] at some positions."""
        begin, end = start - self.window.start, stop - self.window.start
        order = self.window.order
        chosen = slice(begin, end) if order is None else order[begin:end]
        labels = {name: values[chosen].copy() for name, values in self.codes.items()}
        return self.records["pixels"][chosen].copy(), labels

    def rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the row numbers [n] at some positions."""
        begin, end = start - self.window.start, stop - self.window.start
        rows, order = self.window.rows, self.window.order
        return rows[begin:end] if order is None else rows[order[begin:end]]


def read_windows(
    file: ShardFile, scheme: Scheme, windows: Iterator[Window], size: int, threads: int
) -> Generator[Loaded]:
    """Return windows with their rows.

    Args:
        file: The rows.
        scheme: Converts pairs to codes.
        windows: The windows, in the order in which they are returned.
        size: Largest number of rows in a window.
        threads: Number of threads that read ahead. With 0, a window is read when it is requested.

    Raises:
        DataError: If rows cannot be read or are damaged.
    """
    if not threads:
        return _as_asked(file, scheme, windows, size)
    return _ahead(file, scheme, windows, size, threads)


def _as_asked(
    file: ShardFile, scheme: Scheme, windows: Iterator[Window], size: int
) -> Generator[Loaded]:
    buffer = np.empty(size, file.dtype)
    for window in windows:
        records = buffer[: window.stop - window.start]
        file.fill(window.ranges, records)
        yield _checked(file, scheme, window, records)


def _ahead(
    file: ShardFile, scheme: Scheme, windows: Iterator[Window], size: int, threads: int
) -> Generator[Loaded]:
    buffers = cycle([np.empty(size, file.dtype) for _ in range(2)])
    pool = ThreadPoolExecutor(threads, "multihead-read")
    try:
        reading: _Reading | None = None
        # None at the end, because the last window is returned one iteration later.
        coming: Iterator[Window | None] = chain(windows, [None])
        for window in coming:
            following = None if window is None else _Reading(pool, file, window, next(buffers))
            if reading is not None:
                yield _checked(file, scheme, reading.window, reading.done())
            reading = following
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Reading:
    """A window that threads are reading."""

    def __init__(
        self, pool: ThreadPoolExecutor, file: ShardFile, window: Window, buffer: Records
    ) -> None:
        self.window, self.records = window, buffer[: window.stop - window.start]
        self._futures, at = [], 0
        for start, stop in window.ranges.tolist():
            out = self.records[at : at + stop - start]
            self._futures.append(pool.submit(file.read, start, out))
            at += stop - start

    def done(self) -> Records:
        """Wait for the rows [n] and return them."""
        for future in self._futures:
            future.result()
        return self.records


def _checked(file: ShardFile, scheme: Scheme, window: Window, records: Records) -> Loaded:
    return Loaded(window, records, file.decode(records, window.rows, scheme))
