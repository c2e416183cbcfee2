"""Trainings that stopped, with damaged checkpoints or a full disk, go on to the same record."""

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import multihead
from tests.tracking.faults import (
    SLOW_TRAINING,
    start_training,
    train_to_the_end,
    trained_points,
    wait_for_points,
)

from multihead import run
from multihead.tracking.store import Store
from multihead.training.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow(minutes=0.7)
STOPS = int(os.environ.get("MULTIHEAD_TEST_KILLS", "2"))


def _id(out: str) -> str:
    return re.search(r"^run (\S+)", out, re.MULTILINE)[1]


def test_sigterm_at_random_steps_changes_nothing(home: Path, store: Store, tmp_path: Path) -> None:
    rng = random.Random(STOPS)
    long = [*SLOW_TRAINING, f"trainer.max_epochs={20 * STOPS}", "callbacks.early_stopping=null"]
    arguments = long
    for number in range(STOPS):
        listed = tmp_path / f"points{number}"
        process = start_training(listed, *arguments)
        wait_for_points(listed, rng.randrange(1, 120), process)
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate()
        assert process.returncode == 143, errors
        arguments = [f"resume={_id(out)}"]
    out, errors = train_to_the_end(tmp_path / "rest", *arguments)
    assert errors == ""
    whole, _ = train_to_the_end(tmp_path / "whole", *long)
    assert trained_points(store, _id(out)) == trained_points(store, _id(whole))


def test_a_damaged_last_checkpoint_is_named_and_the_previous_one_used(
    home: Path, store: Store, tmp_path: Path
) -> None:
    first, _ = train_to_the_end(tmp_path / "first", *SLOW_TRAINING, "trainer.max_epochs=3")
    last = home / _id(first) / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 255
    last.write_bytes(content)
    resumed = [f"resume={_id(first)}", "trainer.max_epochs=4"]
    out, errors = train_to_the_end(tmp_path / "second", *resumed)
    assert "last.ckpt is damaged" in errors
    assert "previous.ckpt is used" in errors
    whole, _ = train_to_the_end(tmp_path / "whole", *SLOW_TRAINING, "trainer.max_epochs=4")
    ours, theirs = (trained_points(store, _id(text)) for text in (out, whole))
    # The run that ended after three epochs recorded its best ones at that step too.
    assert {k: v for k, v in ours.items() if not k.startswith("best/")} == {
        k: v for k, v in theirs.items() if not k.startswith("best/")
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB: a run's folder with three checkpoints of 3 MB, but not with four."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(disk)], capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting takes root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_a_clear_error_and_the_previous_checkpoint_loads(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = f"logger.tracking_uri=sqlite:///{tmp_path}/mlflow.db"
    home = f"paths.home={small_disk}"
    run([*SLOW_TRAINING, "trainer.max_epochs=2", store, home])
    (folder,) = (path.parent for path in small_disk.glob("*/spool.jsonl"))
    (small_disk / "filler").write_bytes(bytes(os.statvfs(small_disk).f_bavail * 4096 - 100_000))
    full = multihead(
        ["train", f"resume={folder.name}", home, "trainer.max_epochs=9"], folder=tmp_path
    )
    assert full.returncode == 2, full.stderr
    assert "cannot be written into" in full.stderr
    assert "No space left" in full.stderr
    assert "Traceback" not in full.stderr
    for name in ("last.ckpt", "best.ckpt"):
        read_checkpoint(folder / "checkpoints" / name)
    (small_disk / "filler").unlink()
    run([f"resume={folder.name}", home, "trainer.max_epochs=4"])
