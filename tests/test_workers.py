"""Processes that work for a command, and die."""

import signal
import time
from pathlib import Path

import pytest

from multihead import workers
from multihead.errors import StoreError
from multihead.workers import EXIT_LOST, EXIT_MEMORY, Deaths, WorkerProcess

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
print("deaf", flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that ignores SIGTERM."""
    (tmp_path / "deaf.py").write_text(DEAF)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "deaf"


def test_a_worker_that_does_not_hear_is_killed_in_the_end(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "GRACE_SECONDS", 1)
    log = tmp_path / "logs" / "worker.log"
    worker = WorkerProcess(module, [], {}, log)
    while "deaf" not in log.read_text():
        time.sleep(0.05)
    assert worker.code is None
    worker.end()
    assert worker.code == -signal.SIGKILL
    assert log.read_text() == "deaf\nheard\n"


def test_a_worker_has_arguments_and_an_environment_and_adds_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("before\n")
    (tmp_path / "show.py").write_text("import os, sys; print(sys.argv[1:], os.environ['SAID'])")
    environment = {"SAID": "this", "PYTHONPATH": str(tmp_path)}
    worker = WorkerProcess("show", ["a", "b"], environment, log)
    worker.wait()
    assert worker.code == 0
    assert log.read_text() == "before\n['a', 'b'] this\n"


def test_five_errors_in_a_row_are_too_many_and_any_end_begins_the_count_anew() -> None:
    deaths = Deaths("x.log", "trial")
    for ended in (0, 1):
        deaths.ended(ended)
        for _ in range(4):
            deaths.add(1)
    with pytest.raises(StoreError, match=r"5 workers in a row .* a trial, .* code 1; x\.log has"):
        deaths.add(1)


@pytest.mark.parametrize("code", [-signal.SIGKILL, EXIT_LOST, EXIT_MEMORY])
def test_what_is_no_fault_of_a_worker_may_happen_often(code: int) -> None:
    deaths = Deaths("x.log", "training")
    for _ in range(99):
        deaths.add(code)
    with pytest.raises(StoreError, match="100 workers"):
        deaths.add(code)
