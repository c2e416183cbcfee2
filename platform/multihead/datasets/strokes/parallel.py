"""Measure many pictures with one process per core."""

from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import NDArray

from multihead.datasets.strokes.measure import measure_strokes
from multihead.errors import DataError
from multihead.pools import process_pool
from multihead.terminal.drawn import Screen, progress

_WORTH_PROCESSES = 4  # chunks; starting a process takes as long as measuring some hundred pictures


def measure_in_parallel(images: NDArray[np.uint8], chunk: int = 250) -> pd.DataFrame:
    """Return `measure_strokes` of pictures, with progress on stderr.

    Args:
        images: uint8 [N, H, W].
        chunk: Pictures that a process measures at a time. Up to four chunks are measured by this
            process.

    Raises:
        DataError: If a process is killed, for example because memory runs out.
    """
    if len(images) <= _WORTH_PROCESSES * chunk:
        return measure_strokes(images)
    chunks = [images[start : start + chunk] for start in range(0, len(images), chunk)]
    try:
        parts = process_pool()(delayed(measure_strokes)(part) for part in chunks)
        with progress(Screen(err=True), "{task.completed}/{task.total}") as bar:
            shown = bar.track(parts, total=len(chunks), description="measuring strokes")
            return pd.concat(list(shown), ignore_index=True)
    except BrokenProcessPool:
        raise DataError(
            "a process that measured strokes was killed; free some memory and try again."
        ) from None
