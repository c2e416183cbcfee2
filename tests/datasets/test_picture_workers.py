"""Work on pictures in threads and in processes."""

import os
from collections.abc import Iterator

import pytest
from joblib.externals.loky import get_reusable_executor

from multihead.datasets import picture_workers
from multihead.datasets.picture_workers import in_workers
from multihead.errors import DataError

# What `eval` makes of a number and its process: the other processes need not find the tests.
NUMBERED = [f"({number}, __import__('os').getpid())" for number in range(100)]
KILLED = "__import__('os').kill(__import__('os').getpid(), 9)"


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    """Other tests look at those that are theirs."""
    yield
    get_reusable_executor().shutdown(kill_workers=True)


@pytest.mark.parametrize("least", [1, 1000])
def test_results_come_in_order_from_processes_where_there_are_many(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_workers, "_WORTH_PROCESSES", least)
    monkeypatch.setattr(picture_workers, "cores", lambda: 2)
    found = list(in_workers(eval, NUMBERED))
    assert [number for number, _ in found] == [*range(100)]
    assert (os.getpid() in {process for _, process in found}) == (least > 100)


def test_a_process_that_is_killed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_workers, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(picture_workers, "cores", lambda: 2)
    with pytest.raises(DataError, match="a process that read pictures was killed; free some mem"):
        list(in_workers(eval, [KILLED] * 100))
