"""A run's record without a training: a real folder and a real SQLite store."""

import json
import math
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multihead.errors import ConfigError, StoreError
from multihead.tracking.find import find_run, local_run
from multihead.tracking.folder import RunFolder
from multihead.tracking.reap import reap
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.sync import sync
from multihead.tracking.tags import DESCRIPTION_TAG, NOTES_TAG

CONFIG = {"logger": {"tracking_uri": None}, "seed": 1}
NOBODY = "http://127.0.0.1:9"


def _create(store: Store) -> TrackedRun:
    return TrackedRun.create(store, "trial", CONFIG)


def _history(store: Store, run_id: str, key: str = "loss") -> list[tuple[int, float]]:
    found = find_run(store, run_id)
    points = store.client.get_metric_history(found.info.run_id, key)
    return [(p.step, p.value) for p in points]


def _attempts(store: Store, run_id: str) -> list[dict[str, Any]]:
    there = store.client.download_artifacts(find_run(store, run_id).info.run_id, "attempts.json")
    found: list[dict[str, Any]] = json.loads(Path(there).read_text())
    return found


@pytest.fixture
def killed(store: Store) -> Iterator[RunFolder]:
    """A run of two points whose process was killed with -9."""
    child = os.fork()
    if child == 0:
        try:
            run = TrackedRun.create(Store(NOBODY, store.home), "trial", CONFIG)
            for step in (1, 2):
                run.log_metrics({"loss": step / 2}, step)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (spool,) = store.home.glob("*/spool.jsonl")
    folder = RunFolder(spool.parent)
    folder.delivery.unlink(missing_ok=True)  # as if begun in the store of the test
    return folder


def test_a_run_ends_with_everything_in_the_store(store: Store) -> None:
    run = _create(store)
    for step in range(2500):
        run.log_metrics({"loss": step / 7, "nan": math.nan}, step)
    run.log_params({f"p{n}": "x" for n in range(250)})
    run.set_tags({"t": "first"})
    run.set_tags({"t": "last"})
    run.finish("FINISHED")
    found = find_run(store, run.run_id)
    assert found.info.status == "FINISHED"
    assert _history(store, run.run_id) == [(step, step / 7) for step in range(2500)]
    assert len(_history(store, run.run_id, "nan")) == 2500
    assert len(found.data.params) == 250
    assert found.data.tags["t"] == "last"


@pytest.mark.parametrize("cursor", ["", "{", '{"offset": 5}', None], ids=repr)
def test_delivering_again_changes_nothing(store: Store, cursor: str | None) -> None:
    """The cursor may be torn or lost: every point is sent again, and is there once."""
    run = _create(store)
    values = {"loss": 1.5, "nan": math.nan, "inf": math.inf}
    for step in range(300):
        run.log_metrics(values, step)
    run.log_params({"a": "1"})
    run.finish("FAILED", "of all things", 2)
    before = find_run(store, run.run_id).to_dictionary()
    cursor_file = run.folder / "delivery.json"
    cursor_file.unlink() if cursor is None else cursor_file.write_text(cursor)
    (done,) = sync(store.home)
    assert done.problem is None
    # As text, since NaN does not equal itself.
    assert repr(find_run(store, run.run_id).to_dictionary()) == repr(before)
    for key in values:
        assert [step for step, _ in _history(store, run.run_id, key)] == list(range(300))
    assert list(sync(store.home)) == []
    runs = store.client.search_runs([before["info"]["experiment_id"]])
    assert [r.info.run_id for r in runs] == [run.mlflow_id]


def test_a_run_starts_and_ends_without_its_store_and_sync_sends_it(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    run = _create(Store(NOBODY, store.home))
    run.log_metrics({"loss": 0.5}, 1)
    time.sleep(1)
    run.finish("FINISHED")
    (away, unsent) = _said(caplog)
    assert "does not answer" in away
    assert f"send them with `multihead sync {run.run_id}`" in unsent
    assert run.mlflow_id is None
    (refused,) = sync(store.home)
    assert "set MLFLOW_TRACKING_URI to the run's store" in refused.problem
    (run.folder / "delivery.json").unlink()
    (done,) = sync(store.home)
    assert (done.run_id, done.problem) == (run.run_id, None)
    assert _history(store, run.run_id) == [(1, 0.5)]
    assert find_run(store, run.run_id).info.status == "FINISHED"


def test_a_killed_run_is_found_dead_and_sent(store: Store, killed: RunFolder) -> None:
    assert [folder.run_id for folder in reap(store.home)] == [killed.run_id]
    assert reap(store.home) == []
    (done,) = sync(store.home)
    assert done.problem is None
    found = find_run(store, killed.run_id)
    assert found.info.status == "KILLED"
    assert "no longer locked" in found.data.tags["multihead.error"]
    (attempt,) = _attempts(store, killed.run_id)
    assert (attempt["number"], attempt["status"], attempt["exit"]) == (1, "KILLED", None)
    assert _history(store, killed.run_id) == [(1, 0.5), (2, 1.0)]


def test_a_torn_last_line_is_dropped_with_a_notice(
    store: Store, killed: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    with killed.spool.open("rb+") as file:
        file.truncate(killed.spool.stat().st_size - 3)
    (done,) = sync(store.home)
    assert done.problem is None
    assert "is incomplete" in caplog.text
    assert _history(store, killed.run_id) == [(1, 0.5)]


def test_steps_trained_again_are_recorded_once(store: Store, killed: RunFolder) -> None:
    """The process was killed after its checkpoint of step 1."""
    run = TrackedRun.reopen(store, killed.run_id, CONFIG, from_step=1)
    for step in (1, 2, 3):
        run.log_metrics({"loss": step / 2}, step)
    run.finish("FINISHED")
    assert _history(store, killed.run_id) == [(1, 0.5), (2, 1.0), (3, 1.5)]
    tags = find_run(store, killed.run_id).data.tags
    assert tags["multihead.attempts"] == "2"
    assert [a["status"] for a in _attempts(store, killed.run_id)] == ["KILLED", "FINISHED"]
    assert "multihead.error" not in tags


def test_a_tag_without_a_value_is_removed(store: Store) -> None:
    """So that a resumed run does not keep the notes of an earlier attempt."""
    run = _create(store)
    run.set_tags({NOTES_TAG: "two images are equal", "t": ""})
    run.finish("KILLED")
    run = TrackedRun.reopen(store, run.run_id, CONFIG)
    run.set_tags({NOTES_TAG: "", "other": "x"})
    run.finish("FINISHED")
    tags = find_run(store, run.run_id).data.tags
    assert "other" in tags
    assert not {NOTES_TAG, "t"} & tags.keys()


@pytest.mark.parametrize("edited", [False, True])
def test_a_description_that_a_person_edits_is_kept(store: Store, *, edited: bool) -> None:
    run = _create(store)
    run.set_tags({DESCRIPTION_TAG: "ours"})
    run.finish("KILLED")
    if edited:
        store.client.set_tag(str(run.mlflow_id), DESCRIPTION_TAG, "theirs")
    run = TrackedRun.reopen(store, run.run_id, CONFIG)
    run.set_tags({DESCRIPTION_TAG: "ours, newer"})
    run.finish("FINISHED")
    shown = find_run(store, run.run_id).data.tags[DESCRIPTION_TAG]
    assert shown == ("theirs" if edited else "ours, newer")


def test_a_living_run_is_left_alone(store: Store) -> None:
    run = _create(store)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            (skipped,) = sync(store.home)
            reaped = reap(store.home)
            try:
                TrackedRun.reopen(store, run.run_id, CONFIG)
            except StoreError as error:
                refused = "is being trained by another process" in str(error)
                code = 0 if refused and not reaped and skipped.problem is not None else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert reap(store.home) == []  # nor by the process that has it
    run.finish("FINISHED")
    assert find_run(store, run.run_id).info.status == "FINISHED"


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what we said: MLflow logs too, which a command keeps it from."""
    return [r.getMessage() for r in caplog.records if r.name.startswith("multihead")]


@pytest.mark.slow  # waits for MLflow's own patience with a lock
def test_a_locked_database_is_waited_for(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    run = _create(store)
    other = sqlite3.connect(store.home / "mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    run.log_metrics({"loss": 1.0}, 1)
    while not _said(caplog):
        time.sleep(0.1)
    other.execute("ROLLBACK")
    other.close()
    run.finish("FINISHED")
    away, back = _said(caplog)
    assert "database is locked" in away
    assert "is back" in back
    assert _history(store, run.run_id) == [(1, 1.0)]


def test_what_the_store_refuses_is_said_and_stays(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    run = _create(store)
    store.client.delete_run(run.mlflow_id)
    run.log_metrics({"loss": 1.0}, 1)
    run.finish("FINISHED")
    assert "refuses" in _said(caplog)[0]
    assert "unsent" in caplog.text or "not in the store yet" in caplog.text
    store.client.restore_run(run.mlflow_id)
    (done,) = sync(store.home)
    assert done.problem is None
    assert _history(store, run.run_id) == [(1, 1.0)]


def test_a_refusal_at_the_start_leaves_nothing(store: Store) -> None:
    store.client.delete_experiment(store.experiment_id("trial"))
    with pytest.raises(StoreError, match="'trial' is deleted"):
        _create(store)
    assert not list(store.home.glob("*/spool.jsonl"))


def test_a_lost_artifact_is_uploaded_again(store: Store, tmp_path: Path) -> None:
    run = _create(store)
    (tmp_path / "table.csv").write_text("a,b")
    run.log_file(tmp_path / "table.csv", "test")
    run.finish("FINISHED")
    there = Path(store.client.download_artifacts(run.mlflow_id, "test/table.csv"))
    stored = store.home / "artifacts" / "trial" / run.mlflow_id / "artifacts" / "test" / there.name
    stored.unlink()
    (done,) = sync(store.home, run.run_id)
    assert (done.problem, stored.read_text()) == (None, "a,b")


def test_a_newer_version_of_a_file_replaces_the_older(store: Store, tmp_path: Path) -> None:
    run = _create(store)
    for text in ("old", "new"):
        (tmp_path / "file.txt").write_text(text)
        run.log_file(tmp_path / "file.txt")
    run.finish("FINISHED")
    there = Path(store.client.download_artifacts(run.mlflow_id, "file.txt"))
    assert there.read_text() == "new"


@pytest.mark.parametrize("name", ["a@b", "", "../x", "x" * 251])
def test_a_name_that_mlflow_would_refuse_is_refused_at_once(store: Store, name: str) -> None:
    run = _create(store)
    with pytest.raises(ConfigError, match="is not allowed as the name of a metric"):
        run.log_metrics({name: 1.0}, 1)
    run.finish("FAILED")


def test_a_run_is_found_without_a_store(store: Store, killed: RunFolder) -> None:
    assert local_run(store.home, killed.run_id[:-3]) == killed.run_id
    wrong: Any = ["", "20200101"]
    for text in wrong:
        with pytest.raises(ConfigError, match="there is no run"):
            local_run(store.home, text)
