"""Measure many pictures, with a process per core.

Not by `multiprocessing`: its processes import the caller's script again, and wait for ever for a
caller that was killed in the middle of a message. These end with the pipe that they read from.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.datasets.strokes.measure import COLUMNS, measure_strokes
from multihead.datasets.strokes.worker import COUNT
from multihead.errors import DataError
from multihead.terminal.drawn import Screen, progress

_CHUNK = 250
_WORTH_WORKERS = 1000  # starting one takes as long as measuring some hundred pictures

Images = NDArray[np.uint8]
_Worker = subprocess.Popen[bytes]


def measure_in_parallel(images: Images) -> pd.DataFrame:
    """Return `measure_strokes` of pictures [N, H, W], showing progress on stderr.

    Raises:
        DataError: If a process is killed, as by a machine that is out of memory.
    """
    if len(images) < _WORTH_WORKERS:
        return measure_strokes(images)
    chunks = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
    with _workers(len(os.sched_getaffinity(0)), images.shape[1:]) as workers:
        parts = _ask_all(workers, chunks)
        with progress(Screen(err=True), "{task.completed}/{task.total}") as bar:
            shown = bar.track(parts, total=len(chunks), description="measuring strokes")
            values = np.concatenate(list(shown))
    return pd.DataFrame(values, columns=list(COLUMNS))


@contextmanager
def _workers(count: int, shape: tuple[int, ...]) -> Iterator[list[_Worker]]:
    command = [sys.executable, "-m", "multihead.datasets.strokes.worker", *map(str, shape)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    started: list[_Worker] = []
    try:
        for _ in range(count):
            started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment))
        yield started
    finally:
        for worker in started:
            with suppress(BrokenPipeError), worker:
                worker.kill()


def _ask_all(workers: Sequence[_Worker], chunks: Sequence[Images]) -> Iterator[NDArray[np.float64]]:
    """Yield the measures of each chunk in order; each worker has one at a time."""
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def ask(chunk: Images) -> NDArray[np.float64]:
        worker = idle.get()
        try:
            return _ask(worker, chunk)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        yield from pool.map(ask, chunks)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ask(worker: _Worker, images: Images) -> NDArray[np.float64]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    expected = 8 * len(images) * len(COLUMNS)
    try:
        worker.stdin.write(COUNT.pack(len(images)) + images.tobytes())
        worker.stdin.flush()
        answer = worker.stdout.read(expected)
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    if len(answer) < expected:
        raise DataError(
            f"a process that measured strokes ended with code {worker.wait()}; free some memory "
            f"and try again."
        )
    return np.frombuffer(answer, "<f8").reshape(len(images), len(COLUMNS))
