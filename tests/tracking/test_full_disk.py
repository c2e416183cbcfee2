"""A disk that is full when a run ends, and a home on another file system than other files."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from multihead.errors import StoreError
from multihead.runs.lifecycle import deserved_status
from multihead.tracking.find import find_run
from multihead.tracking.reap import reap
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.sync import reap_and_tell, sync, tell_ended
from multihead.training.interrupts import Interrupts

CONFIG = {"logger": {"tracking_uri": None, "experiment_name": "e"}, "paths": {"home": "h"}}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(disk: Path) -> Path:
    """Write until the disk is full; return the file."""
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return disk / "filler"


def _end_on_full_disk(run: TrackedRun, disk: Path, *, brim: bool) -> None:
    with deserved_status(run, Interrupts()):
        _fill(disk)
        for step in range(1000 * brim):  # as far as the last page of the spool goes
            with suppress(StoreError):
                run.log_metrics({"a": 1.0}, step)


@pytest.fixture
def small_home(small_disk: Path, empty_store: Path) -> Path:
    home = small_disk / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    return home


def test_a_run_whose_end_the_disk_cannot_hold_is_not_finished_and_reap_finds_it(
    small_home: Path,
) -> None:
    store = Store(home=small_home)
    run = TrackedRun.create(store, "e", CONFIG)
    with pytest.raises(StoreError, match="No space left on device"):
        _end_on_full_disk(run, small_home.parent, brim=True)
    (small_home.parent / "filler").unlink()
    assert [done.problem for done in reap_and_tell(small_home)] == [None]
    assert find_run(store, run.run_id).info.status == "KILLED"
    assert reap(small_home) == []


def test_a_run_whose_end_the_store_cannot_hold_is_finished_and_reap_tells_it(
    small_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(home=small_home)
    run = TrackedRun.create(store, "e", CONFIG)
    _end_on_full_disk(run, small_home.parent, brim=False)
    assert "are not in the store yet" in caplog.text
    (small_home.parent / "filler").unlink()
    assert find_run(store, run.run_id).info.status == "RUNNING"
    assert [done.problem for done in tell_ended(store)] == [None]
    assert find_run(store, run.run_id).info.status == "FINISHED"
    assert list(tell_ended(store)) == []


def test_a_full_disk_of_the_artifacts_keeps_them_in_the_folder_until_sync_sends_them(
    small_disk: Path, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """This is also a store on another file system: nothing is moved by renaming."""
    (store.home / "artifacts").symlink_to(small_disk)
    (tmp_path / "a.bin").write_bytes(os.urandom(100_000))
    run = TrackedRun.create(store, "e", CONFIG)
    filler = _fill(small_disk)
    run.log_file(tmp_path / "a.bin")
    run.finish("FINISHED")
    assert "a.bin was not uploaded" in caplog.text
    assert "2 files of run" in caplog.text
    filler.unlink()
    assert [done.problem for done in sync(store.home, run.run_id)] == [None]
    assert len(list(small_disk.glob("e/*/artifacts/a.bin"))) == 1
    assert find_run(store, run.run_id).info.status == "FINISHED"
