"""What a run is built on vanishes while it goes on: its folder, its database, its files."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import multihead

from multihead.errors import MultiheadError, RecordLostError
from multihead.runs.lifecycle import deserved_status
from multihead.tracking.find import find_run
from multihead.tracking.reap import LOST, fail_lost, fail_named, reap
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.tags import ERROR_TAG
from multihead.training.interrupts import Interrupts

CONFIG = {"logger": {"tracking_uri": None, "experiment_name": "e"}, "paths": {"home": "h"}}
Vanish = Callable[[TrackedRun], object]


def _rename(run: TrackedRun) -> None:
    run.folder.rename(run.folder.with_name("elsewhere"))


def _replace(run: TrackedRun) -> None:
    spool = run.folder / "spool.jsonl"
    copy = spool.with_name("copy")
    shutil.copy(spool, copy)
    copy.replace(spool)


VANISHING: dict[str, Vanish] = {
    "folder deleted": lambda run: shutil.rmtree(run.folder),
    "folder renamed": _rename,
    "spool deleted": lambda run: (run.folder / "spool.jsonl").unlink(),
    "spool replaced": _replace,
    "spool emptied": lambda run: os.truncate(run.folder / "spool.jsonl", 0),
    "spool cut": lambda run: os.truncate(run.folder / "spool.jsonl", 100),
}


def _begin(store: Store) -> TrackedRun:
    run = TrackedRun.create(store, "e", CONFIG)
    run.log_metrics({"a": 1.0}, 0)
    return run


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the notices of the package; MLflow's own log is switched off in commands."""
    return [r.getMessage() for r in caplog.records if r.name.startswith("multihead")]


def _go_on(run: TrackedRun, vanish: Vanish) -> None:
    with deserved_status(run, Interrupts()):
        vanish(run)
        run.log_metrics({"a": 2.0}, 1)


@pytest.mark.parametrize("vanish", VANISHING.values(), ids=VANISHING)
def test_a_run_whose_record_vanishes_is_failed_in_the_store_in_one_line(
    store: Store, vanish: Vanish, caplog: pytest.LogCaptureFixture
) -> None:
    run = _begin(store)
    there = run.folder.parent
    with pytest.raises(RecordLostError) as raised:
        _go_on(run, vanish)
    assert "by another program" in str(raised.value)
    assert _told(caplog) == []
    info = find_run(store, run.run_id)
    assert info.info.status == "FAILED"
    assert info.data.tags[ERROR_TAG] == f"RecordLostError: {raised.value}"
    assert list(fail_lost(store)) == []
    assert (there / run.run_id).exists() == ("spool" in str(raised.value))


@pytest.mark.parametrize("vanish", VANISHING.values(), ids=VANISHING)
def test_a_record_that_vanished_before_the_end_is_no_finished_run(
    store: Store, vanish: Vanish
) -> None:
    run = _begin(store)
    with pytest.raises(RecordLostError), deserved_status(run, Interrupts()):
        vanish(run)
    assert find_run(store, run.run_id).info.status == "FAILED"


def _abandoned(store: Store) -> TrackedRun:
    """Return a run whose process was killed, and whose folder was deleted."""
    run = _begin(store)
    assert run._sender is not None
    run._sender.close(5)
    run._files.lock.release()
    shutil.rmtree(run.folder)
    return run


def test_reap_finds_a_run_of_which_nothing_is_left_here(store: Store) -> None:
    lost, alive = _abandoned(store), _begin(store)
    assert list(fail_lost(store)) == [lost.run_id]
    assert list(fail_lost(store)) == []
    found = find_run(store, lost.run_id)
    assert (found.info.status, found.data.tags[ERROR_TAG]) == ("FAILED", LOST)
    assert find_run(store, alive.run_id).info.status == "RUNNING"
    alive.finish("FINISHED")


def test_the_runs_of_another_home_are_reaped_by_name_only(store: Store, tmp_path: Path) -> None:
    """On a shared store the folders of others are on other machines."""
    lost = _abandoned(store)
    other = Store(store.uri, tmp_path / "other")
    other.make_home()
    assert list(fail_lost(other)) == []
    assert fail_named(other, lost.run_id) == lost.run_id
    assert find_run(store, lost.run_id).info.status == "FAILED"
    with pytest.raises(MultiheadError, match="is FAILED; only a RUNNING one"):
        fail_named(other, lost.run_id)


def test_a_renamed_home_has_its_runs(store: Store, tmp_path: Path) -> None:
    run = _begin(store)
    assert run._sender is not None
    run._sender.close(5)
    run._files.lock.release()
    moved = store.home.rename(tmp_path / "moved")
    assert list(fail_lost(Store(home=moved))) == []
    assert [folder.run_id for folder in reap(moved)] == [run.run_id]


def test_a_home_that_is_renamed_under_a_run_is_one_line_and_no_new_home(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, moved = _begin(store), tmp_path / "moved"
    with pytest.raises(RecordLostError, match="was deleted or moved by another program"):
        _go_on(run, lambda run: run.folder.parent.rename(moved))
    assert _told(caplog) == []
    assert not store.home.exists()
    assert [folder.run_id for folder in reap(moved)] == [run.run_id]


def test_a_run_goes_on_in_a_current_folder_that_was_deleted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    run = _begin(store)
    _go_on(run, lambda _: here.rmdir())
    assert find_run(store, run.run_id).info.status == "FINISHED"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_that_is_deleted_or_replaced_is_told_the_whole_run_by_sync(
    store: Store, empty_store: Path, replaced: bool
) -> None:
    """What is written into a deleted file, which is still open, would be nowhere."""
    run = _begin(store)
    database = store.home / "mlflow.db"
    database.unlink()
    if replaced:
        shutil.copy(empty_store, database)
    run.log_metrics({"a": 2.0}, 1)
    run.finish("FINISHED")
    synced = multihead(["sync", run.run_id], folder=store.home)
    assert (synced.returncode, synced.stderr) == (0, "")
    with closing(sqlite3.connect(database)) as there:
        assert there.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]
        values = there.execute("SELECT value FROM metrics ORDER BY step").fetchall()
    assert values == [(1.0,), (2.0,)]


def test_artifacts_that_are_deleted_are_uploaded_again_before_the_run_ends(
    store: Store, tmp_path: Path
) -> None:
    run = _begin(store)
    (tmp_path / "a.txt").write_text("a")
    run.log_file(tmp_path / "a.txt", "test")
    for _ in range(200):
        if list(store.home.glob("artifacts/**/manifest.json")):
            break
        run._sender.join(0.05)  # type: ignore[union-attr]
    shutil.rmtree(store.home / "artifacts")
    run.finish("FINISHED")
    assert len(list(store.home.glob("artifacts/**/a.txt"))) == 1
