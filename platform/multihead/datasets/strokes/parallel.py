"""Measure many pictures, with a process per core."""

import os
import signal
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from multihead.datasets.strokes.measure import measure_strokes
from multihead.errors import DataError
from multihead.terminal.drawn import Screen, progress

_WORTH_PROCESSES = 4  # chunks: starting a process takes as long as measuring some hundred pictures
_IDLE_SECONDS = 5


def measure_in_parallel(images: NDArray[np.uint8], chunk: int = 250) -> pd.DataFrame:
    """Return `measure_strokes` of pictures, showing progress on stderr.

    Args:
        images: uint8 [N, H, W].
        chunk: Pictures that a process measures at a time; up to four times as many are measured
            by this process.

    Raises:
        DataError: If a process is killed, as by a machine that is out of memory.
    """
    if len(images) <= _WORTH_PROCESSES * chunk:
        return measure_strokes(images)
    chunks = [images[start : start + chunk] for start in range(0, len(images), chunk)]
    processes = Parallel(
        n_jobs=-1,
        batch_size=1,
        return_as="generator",
        max_nbytes=None,  # pictures go through pipes and no file is unpickled
        inner_max_num_threads=1,
        idle_worker_timeout=_IDLE_SECONDS,
        initializer=_depend_on,
        initargs=(os.getpid(),),
    )
    parts = processes(delayed(measure_strokes)(part) for part in chunks)
    try:
        with progress(Screen(err=True), "{task.completed}/{task.total}") as bar:
            shown = bar.track(parts, total=len(chunks), description="measuring strokes")
            return pd.concat(list(shown), ignore_index=True)
    except BrokenProcessPool:
        raise DataError(
            "a process that measured strokes was killed; free some memory and try again."
        ) from None


def _depend_on(parent: int) -> None:
    """End this process when its parent has ended, and leave Ctrl-C to the parent.

    joblib's processes would outlive a parent that was killed, waiting for the rest of a message.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
