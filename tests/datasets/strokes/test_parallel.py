"""Pictures divided among processes are measured as if they were not."""

import threading
from contextlib import suppress

import pandas as pd
import psutil
import pytest
from tests.strokes import rings

from multihead.datasets.strokes import measure_strokes
from multihead.datasets.strokes.parallel import measure_in_parallel
from multihead.errors import DataError


@pytest.fixture(autouse=True)
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")


def workers() -> list[psutil.Process]:
    """Return the processes that measure for this one."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # also one that has ended
            if "LokyProcess" in " ".join(child.cmdline()):
                found.append(child)
    return found


def kill_all_until(done: threading.Event) -> None:
    """One that an earlier test has left may end by itself, so killing only the first is no test."""
    while not done.wait(0.05):
        for process in workers():
            with suppress(psutil.NoSuchProcess):
                process.kill()


def test_measures_do_not_depend_on_how_the_pictures_are_divided(
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = rings(11)
    found = measure_in_parallel(images, chunk=2)
    pd.testing.assert_frame_equal(found, measure_strokes(images), check_exact=True)
    assert "measuring strokes" in capsys.readouterr().err
    assert len(workers()) <= 2


def test_a_process_that_is_killed_is_an_error_of_one_line() -> None:
    done = threading.Event()
    killer = threading.Thread(target=kill_all_until, args=(done,), daemon=True)
    killer.start()
    try:
        with pytest.raises(DataError, match="was killed; free some memory"):
            measure_in_parallel(rings(400), chunk=2)
    finally:
        done.set()
        killer.join()
