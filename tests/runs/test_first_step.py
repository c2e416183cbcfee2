"""A new run is told to its store after its first step, and keeps every promise of the record."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from click.testing import CliRunner
from lightning.pytorch.callbacks import Callback
from tests.conftest import DIGITS
from tests.stops import command, run_of

from multihead.cli.runs import command as runs
from multihead.errors import DeletedError
from multihead.runs.config import compose_run
from multihead.runs.execute import Announcer, Membership, RunResult, execute
from multihead.tracking.find import find_run
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store

TINY = [*DIGITS, "trainer.max_epochs=1", "test=false"]


class Heard(Announcer):
    """What was known of the run's place in the store, and when."""

    def __init__(self) -> None:
        self.at_the_start: list[str | None] = []
        self.later: list[str | None] = []

    def started(self, run: TrackedRun | None, parts: Any, notes: list[str]) -> None:
        assert run is not None
        self.at_the_start.append(run.url)

    def known(self, run: TrackedRun) -> None:
        self.later.append(run.url)


class Break(Callback):
    """Fail in a training step, the first by default."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        raise RuntimeError("broken")


class Kill(Callback):
    """End the process before its first training step."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_link_is_told_once_the_store_knows_the_run(home: Path) -> None:
    heard = Heard()
    result: RunResult = execute(compose_run(TINY), announcer=heard)
    assert heard.at_the_start == [None]
    assert heard.later == [result.url]
    assert result.url is not None


def test_a_run_whose_first_step_fails_is_on_record_as_failed(home: Path, store: Store) -> None:
    broken = f"+callbacks.broken={{_target_: {__name__}.Break}}"
    with pytest.raises(RuntimeError, match="broken"):
        execute(compose_run([*TINY, broken]))
    (folder,) = [path.parent for path in home.glob("*/spool.jsonl")]
    assert find_run(store, folder.name).info.status == "FAILED"
    assert not (folder / "running.json").exists()


@pytest.mark.slow
def test_a_run_killed_before_its_first_step_is_on_record_as_killed(
    home: Path, store: Store
) -> None:
    done = command("train", *TINY, f"+callbacks.kill={{_target_: {__name__}.Kill}}")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert run_statuses() == ["KILLED"]
    assert find_run(store, run_of(done)).info.status == "KILLED"
    again = command("train", f"resume={run_of(done)}")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "stopped before its first checkpoint; start a new run instead" in again.stderr


def run_statuses() -> list[str]:
    """Return what `multihead runs` says of each run."""
    listed = CliRunner().invoke(runs, ["--format", "json"], catch_exceptions=False)
    return [row["status"] for row in json.loads(listed.stdout)]


def test_a_new_run_that_the_store_refuses_leaves_nothing(
    home: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    config = compose_run(TINY)
    store.client.delete_experiment(store.experiment_id(config["logger"]["experiment_name"]))
    with pytest.raises(DeletedError, match="is deleted in"):
        execute(config)
    assert [path.name for path in home.iterdir() if path.is_dir()] == []
    assert caplog.messages == []


def test_a_run_of_a_worker_is_told_at_once(home: Path) -> None:
    """It has imported MLflow already, and notes where the store has the run."""
    heard = Heard()
    execute(compose_run(TINY), announcer=heard, member=Membership("arm"))
    assert heard.later == []
    assert None not in heard.at_the_start
