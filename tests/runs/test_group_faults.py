"""Trainings on two CPU processes that are killed, interrupted, pruned or that diverge."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import psutil
import pytest
from lightning.pytorch.callbacks import Callback
from tests.conftest import DIGITS
from tests.runs.test_group import TWO
from tests.studies.conftest import assert_agreement
from tests.tracking.faults import trained_points

from multihead import SimpleCNN, run
from multihead.runs.api import resumed_config
from multihead.runs.config import compose_run
from multihead.runs.execute import Membership, execute
from multihead.runs.group import RankError
from multihead.settings import study_storage
from multihead.studies.create_or_resume import start
from multihead.studies.definition import Definition
from multihead.studies.worker import main
from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.training.checkpoints import read_checkpoint
from multihead.training.interrupts import RunInterrupted

pytestmark = pytest.mark.slow(minutes=0.7)

# 40 epochs of 4 batches, with dropout: seconds after its first checkpoint, it still trains.
LONG = (
    *(*DIGITS, *TWO, "data.batch_size=32", "test=false"),
    *("trainer.max_epochs=40", "callbacks.early_stopping=null"),
)


def _ranks(process: psutil.Process) -> list[psutil.Process]:
    children = process.children(recursive=True)
    return [child for child in children if "multihead.runs.rank" in child.cmdline()]


class Terminate(Callback):
    """Send this process SIGTERM in the second batch of its training."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_that_is_killed_and_interrupted_equals_one_that_is_not(
    home: Path, store: Store
) -> None:
    """To the bit, with dropout: each process goes on with its own random numbers."""
    command = [sys.executable, "-m", "multihead", "train", *LONG]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not list(home.glob("*/checkpoints/last.ckpt")):
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.02)
    (rank,) = _ranks(psutil.Process(killed.pid))
    killed.kill()
    killed.communicate()
    rank.wait(timeout=60)

    (spool,) = home.glob("*/spool.jsonl")
    run_id, config = resumed_config(spool.parent.name, [])
    with pytest.raises(RunInterrupted) as stop:
        execute(config, resume=run_id, member=Membership(callbacks=[Terminate()]))
    assert stop.value.exit_code == 143
    assert not _ranks(psutil.Process())
    assert find_run(store, run_id).info.status == "KILLED"
    last = read_checkpoint(spool.parent / "checkpoints" / "last.ckpt")
    assert last["global_step"] % 4 == 2, "in the middle of an epoch"
    assert len(last["multihead"]["random_state_of_others"]) == 1

    run([f"resume={run_id}"])
    whole = run(list(LONG))
    assert whole.run_id is not None
    assert trained_points(store, run_id) == trained_points(store, whole.run_id)


class KillOther(Callback):
    """Kill the other process of the training in its second epoch."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            (rank,) = _ranks(psutil.Process())
            rank.kill()


def test_a_process_that_is_killed_ends_the_run_in_one_line(home: Path, store: Store) -> None:
    with pytest.raises(RankError, match=r"process 1 of the 2 .* was killed \(SIGKILL\)") as failed:
        execute(compose_run(list(LONG)), member=Membership(callbacks=[KillOther()]))
    assert failed.value.killed
    (spool,) = home.glob("*/spool.jsonl")
    assert find_run(store, spool.parent.name).info.status == "FAILED"
    assert not _ranks(psutil.Process())
    assert not {"GLOO_SOCKET_IFNAME", "MASTER_PORT", "LOCAL_RANK"} & set(os.environ)


class Here(SimpleCNN):
    """A network of this file, which other processes have no way to import."""


def test_a_process_that_cannot_build_its_part_says_why(home: Path) -> None:
    with pytest.raises(RankError, match=r"process 1 .* failed: .* cannot be imported"):
        run([*LONG, f"model.net._target_={__name__}.Here"])
    assert not _ranks(psutil.Process())


def test_trials_that_are_pruned_or_diverge_end_so_and_the_next_one_runs(
    home: Path, store: Store
) -> None:
    definition: dict[str, Any] = {
        "name": "search",
        "experiment": "multihead_cnn_digits",
        "overrides": [
            *TWO,
            "data.train_val_test_split=[64,64,64]",
            "trainer.max_epochs=3",
            "trainer.min_epochs=3",
        ],
        "space": {"model.optimizer.lr": {"choices": [0.002, 1e30]}},
        "sampler": {"name": "grid"},
        "pruner": {"name": "threshold", "lower": 1.1},
        "objectives": "val/digit_acc",
        "n_trials": 2,
    }
    opened = start(Definition.model_validate(definition), resume=False)
    assert opened.presence is not None
    assert main(["--study", "search", "--storage", study_storage()]) == 0
    opened.presence.end()
    states = {t.params["model.optimizer.lr"]: t for t in opened.trials()}
    assert states[0.002].state.name == "PRUNED"
    assert states[1e30].state.name == "FAIL"
    assert "not finite" in states[1e30].user_attrs["cause"]
    assert_agreement(store, study_storage(), "search", 2)
    assert not _ranks(psutil.Process())
    opened.storage.close()
