"""kill -9 at random moments, and what is then in folder and store."""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.tracking.faults import (
    SLOW_TRAINING,
    assert_whole,
    start_training,
    stored_points,
    train_to_the_end,
    trained_points,
    wait_for_points,
)

from multihead.cli.sync import command as sync
from multihead.tracking.find import find_run
from multihead.tracking.store import Store

# `MULTIHEAD_TEST_KILLS=20 pytest tests/tracking/test_kill.py` for a long trial.
KILLS = int(os.environ.get("MULTIHEAD_TEST_KILLS", "2"))
# Of which only the first few are over at the last kill, however late that comes.
EPOCHS = (f"trainer.max_epochs={20 * KILLS}", "callbacks.early_stopping=null")


@pytest.mark.slow(minutes=1)
def test_nothing_is_lost_or_doubled_by_killing_the_process_again_and_again(
    home: Path, store: Store, tmp_path: Path
) -> None:
    """Sync after each kill has every point; the resumed run equals an uninterrupted one."""
    rng, listed = random.Random(KILLS), tmp_path / "points"
    arguments = [*SLOW_TRAINING, *EPOCHS]
    for number in range(KILLS):
        process = start_training(listed, *arguments)
        before = listed.read_bytes().count(b"\n") if listed.exists() else 0
        wait_for_points(listed, before + rng.randrange(1, 150), process)
        time.sleep(rng.random() / 50)
        os.killpg(process.pid, signal.SIGKILL)
        out, errors = process.communicate()
        assert "Traceback" not in errors, errors
        (folder,) = home.glob("*/spool.jsonl")
        run_id = folder.parent.name
        synced = CliRunner().invoke(sync, catch_exceptions=False)
        assert synced.exit_code == 0, (number, synced.stderr)
        assert_whole(stored_points(store, run_id), listed)
        assert find_run(store, run_id).info.status == "KILLED"
        if (folder.parent / "checkpoints" / "last.ckpt").exists():
            arguments = [f"resume={run_id}"]
        else:
            folder.parent.rename(tmp_path / run_id)
            listed.unlink()
    out, errors = train_to_the_end(listed, *arguments)
    run_id = re.search(r"^run (\S+)", out, re.MULTILINE)[1]
    assert errors == ""
    out, _ = train_to_the_end(tmp_path / "whole", *SLOW_TRAINING, *EPOCHS)
    whole = re.search(r"^run (\S+)", out, re.MULTILINE)[1]
    assert trained_points(store, run_id) == trained_points(store, whole)
    assert find_run(store, run_id).info.status == "FINISHED"
