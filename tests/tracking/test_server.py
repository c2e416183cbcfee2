"""A real MLflow server that is down, hangs, dies and comes back while a training goes on."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import multihead
from tests.tracking.faults import (
    SLOW_TRAINING,
    Server,
    assert_whole,
    start_training,
    stored_points,
    wait_for_points,
)

from multihead.tracking.find import find_run
from multihead.tracking.store import Store

pytestmark = pytest.mark.slow(minutes=0.7)


@pytest.fixture
def server(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    yield server
    server.kill()


def _id(out: str) -> str:
    return re.search(r"^run (\S+)", out, re.MULTILINE)[1]


def _stop_after_retry(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Give the sender the time of its longest wait, then end the training."""
    time.sleep(20)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 143, errors
    return out, errors


def test_a_training_goes_on_while_the_server_hangs_dies_and_restarts(
    server: Server, home: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "points"
    process = start_training(
        listed, *SLOW_TRAINING, "trainer.max_epochs=9999", "callbacks.early_stopping=null"
    )
    wait_for_points(listed, 50, process)
    with server.stopped():
        time.sleep(3)
    time.sleep(1)
    server.kill()
    count = listed.read_bytes().count(b"\n")
    time.sleep(3)
    assert listed.read_bytes().count(b"\n") > count, "training waits for the server"
    server.start()
    out, errors = _stop_after_retry(process)
    *lines, last = errors.splitlines()
    assert len(lines) % 2 == 0, errors
    assert all("does not answer" in line for line in lines[::2])
    assert all("is back" in line for line in lines[1::2])
    assert "interrupted by SIGTERM" in last
    store = Store(home=home)
    assert_whole(stored_points(store, _id(out)), listed)
    assert find_run(store, _id(out)).info.status == "KILLED"
    assert len(store.client.search_runs(["1"])) == 1


def test_a_run_without_its_server_ends_normally_and_sync_sends_all(
    server: Server, home: Path, tmp_path: Path
) -> None:
    server.kill()
    listed = tmp_path / "points"
    process = start_training(listed, *SLOW_TRAINING, "trainer.max_epochs=2")
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    away, unsent = errors.splitlines()
    assert "does not answer" in away
    assert f"multihead sync {_id(out)}" in unsent
    failed = multihead(["sync"], folder=tmp_path)
    assert (failed.returncode, "does not answer" in failed.stderr) == (1, True)
    server.start()
    assert multihead(["sync"], folder=tmp_path).returncode == 0
    store = Store(home=home)
    assert_whole(stored_points(store, _id(out)), listed)
    assert multihead(["sync"], folder=tmp_path).stdout == ""
    files = {f.path for f in store.client.list_artifacts(find_run(store, _id(out)).info.run_id)}
    assert {"checkpoints", "config.yaml", "manifest.json"} <= files


def test_a_server_that_hangs_at_the_end_delays_it_by_seconds(
    server: Server, home: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "points"
    process = start_training(
        listed, *SLOW_TRAINING, "trainer.max_epochs=20", "callbacks.early_stopping=null"
    )
    wait_for_points(listed, 100, process)
    with server.stopped():
        out, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
        assert "multihead sync" in errors
    time.sleep(2)  # what the server does late must not make doubles
    assert multihead(["sync"], folder=tmp_path).returncode == 0
    store = Store(home=home)
    assert_whole(stored_points(store, _id(out)), listed)
    assert len(store.client.search_runs(["1"])) == 1


def test_a_run_that_the_server_has_lost_is_delivered_anew(
    server: Server, home: Path, tmp_path: Path
) -> None:
    """The server's database was replaced by an empty one."""
    listed = tmp_path / "points"
    process = start_training(
        listed, *SLOW_TRAINING, "trainer.max_epochs=9999", "callbacks.early_stopping=null"
    )
    wait_for_points(listed, 50, process)
    server.kill()
    (server.folder / "server.db").unlink()
    server.start()
    out, _ = _stop_after_retry(process)
    assert_whole(stored_points(Store(home=home), _id(out)), listed)


def test_sigterm_while_the_server_hangs_ends_in_time(
    server: Server, home: Path, tmp_path: Path
) -> None:
    """A container is killed ten seconds after SIGTERM."""
    listed = tmp_path / "points"
    process = start_training(
        listed, *SLOW_TRAINING, "trainer.max_epochs=9999", "callbacks.early_stopping=null"
    )
    wait_for_points(listed, 100, process)
    with server.stopped():
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert (home / _id(out) / "checkpoints" / "last.ckpt").is_file()
    assert multihead(["sync"], folder=tmp_path).returncode == 0
    assert find_run(Store(home=home), _id(out)).info.status == "KILLED"
