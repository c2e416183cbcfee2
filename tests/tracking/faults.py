"""What the tests that cause faults share: a server, a training in a process, a run's points."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.conftest import DIGITS
from tests.ports import free_port

from multihead.tracking.find import find_run
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store

STEPWISE = Path(__file__).with_name("stepwise.py")
SLOW_TRAINING = (*DIGITS, "data.batch_size=8", "trainer.accelerator=cpu", "test=false")
Points = dict[str, list[tuple[int, str]]]


@contextmanager
def told_to_end_while_finishing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Send this process SIGTERM whenever a run's end is about to be recorded."""
    finish = TrackedRun.finish

    def told(run: TrackedRun, *how: Any) -> None:
        signal.raise_signal(signal.SIGTERM)
        finish(run, *how)

    with monkeypatch.context() as patched:
        patched.setattr(TrackedRun, "finish", told)
        yield


class Server:
    """A real MLflow server on loopback, of one process group, that can be stopped in many ways."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        if self._process is not None:
            self._process.wait()
        arguments = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        arguments += ["--artifacts-destination", f"{self.folder}/artifacts", "--workers", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), *arguments],
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.wait()

    def wait(self) -> None:
        for _ in range(600):
            try:
                with urlopen(f"{self.uri}/health", timeout=5):
                    return
            except (URLError, OSError):
                time.sleep(0.2)
        raise TimeoutError(self.uri)

    @property
    def group(self) -> int:
        """Its process group."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        os.killpg(self.group, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It accepts connections and says nothing."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)


def start_training(listed: Path, *overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(STEPWISE), str(listed), *overrides],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def train_to_the_end(listed: Path, *overrides: str) -> tuple[str, str]:
    """Return stdout and stderr."""
    out, errors = start_training(listed, *overrides).communicate()
    return out, errors


def wait_for_points(listed: Path, count: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        if listed.exists() and listed.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)


def listed_points(listed: Path) -> set[tuple[str, int, str]]:
    """Return what the training says it recorded; NaN is text here, so that it equals itself."""
    lines = listed.read_text().splitlines() if listed.exists() else []
    cut = [line.split() for line in lines]
    return {(name, int(step), repr(float(value))) for name, step, value in cut}


def stored_points(store: Store, run_id: str) -> Points:
    found = find_run(store, run_id)
    points: Points = {}
    for key in found.data.metrics:
        history = store.client.get_metric_history(found.info.run_id, key)
        points[key] = [(p.step, repr(p.value)) for p in history]
    return points


def trained_points(store: Store, run_id: str) -> Points:
    """Return the points that an equal training has too: all but those of the machine's load."""
    points = stored_points(store, run_id)
    return {key: series for key, series in points.items() if not key.startswith("system/")}


def assert_whole(points: Points, listed: Path) -> None:
    """Check that each point is there once, in order, with the value that was produced."""
    stored = {(key, *point) for key, series in points.items() for point in series}
    produced = listed_points(listed)
    assert produced <= stored, sorted(produced - stored)[:5]
    # Those of the one call that was cut off may be there too; the load is logged by a thread.
    unlisted = {step for key, step, _ in stored - produced if not key.startswith("system/")}
    assert len(unlisted) <= 1
    for key, series in points.items():
        steps = [step for step, _ in series]
        assert steps == sorted(set(steps)), key
