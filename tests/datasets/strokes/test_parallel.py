"""Pictures divided among processes are measured as if they were not."""

import io
import os

import numpy as np
import pandas as pd
import pytest
from tests.strokes import rings

from multihead.datasets.strokes import measure_strokes, parallel, worker
from multihead.errors import DataError

IMAGES = rings(5)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three chunks for two processes."""
    monkeypatch.setattr(parallel, "_CHUNK", 2)
    monkeypatch.setattr(parallel, "_WORTH_WORKERS", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def test_measures_do_not_depend_on_how_the_pictures_are_divided() -> None:
    found = parallel.measure_in_parallel(IMAGES)
    pd.testing.assert_frame_equal(found, measure_strokes(IMAGES), check_exact=True)


def test_a_worker_that_dies_is_an_error_of_one_line() -> None:
    with parallel._workers(1, (28, 28)) as workers:
        workers[0].kill()
        with pytest.raises(DataError, match="ended with code -9; free some memory"):
            list(parallel._ask_all(workers, [IMAGES]))


def test_a_worker_ends_with_its_input_also_within_a_message() -> None:
    """So that none outlives a process that was killed."""
    message = worker.COUNT.pack(2) + IMAGES[:2].tobytes()
    answer = io.BytesIO()
    worker.serve(io.BytesIO(message + message[:-1]), answer, 28, 28)
    values = np.frombuffer(answer.getvalue()).reshape(2, -1)
    np.testing.assert_array_equal(values, measure_strokes(IMAGES[:2]))
