"""Studies of the digits that end in seconds, and what must be true of their two stores."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from optuna.storages import RDBStorage

from multihead.settings import study_storage
from multihead.studies.budget import Budget, tell
from multihead.studies.definition import Definition
from multihead.studies.lease import Lease, Outcome, leases
from multihead.studies.storage import StudyStorage
from multihead.tracking.store import Store

SMALL = (
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "data.train_val_test_split=[64,64,64]",
    "confirm.seeds=0",
    "keep=null",
)
LONG = (*SMALL, "trainer.max_epochs=30")  # a trial takes seconds, however fast the machine is
DONE = Outcome("COMPLETE", (0.5,))
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAIL": "FAILED"}
Define = Callable[..., Definition]


@pytest.fixture
def define() -> Define:
    """A definition of a study of the digits, with keys replaced."""

    def define(**keys: object) -> Definition:
        return Definition.model_validate(
            {
                "name": "search",
                "experiment": "multihead_cnn_digits",
                "overrides": [o for o in SMALL if o.startswith(("trainer", "data"))],
                "space": {"model.optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}},
                "objectives": "val/digit_acc",
                "n_trials": 3,
                **keys,
            }
        )

    return define


@pytest.fixture(scope="session")
def empty_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database of studies: making one takes a second, copying it does not."""
    path = tmp_path_factory.mktemp("studies") / "studies.db"
    StudyStorage(f"sqlite:///{path}", create=True).close()
    return path


@pytest.fixture
def storage(home: Path, empty_studies: Path) -> StudyStorage:
    """The storage without a server, in the home."""
    shutil.copy(empty_studies, home / "studies.db")
    return StudyStorage(study_storage())


def expire(storage: StudyStorage) -> None:
    """Let every lease run out, as the database's clock would."""
    with storage.engine.begin() as connection:
        connection.execute(sa.update(leases).values(expires=0.0))


def claim(budget: Budget, owner: str = "a") -> Lease:
    """Claim a trial, which is there."""
    lease = budget.claim(owner)
    assert isinstance(lease, Lease)
    return lease


def end(budget: Budget, lease: Lease, outcome: Outcome = DONE) -> None:
    """End a trial, in our table and in Optuna's."""
    lease.decide(budget.storage, outcome)
    tell(budget.study, lease.number, outcome)


class Hungry(Callback):
    """Ask for more memory than any machine has, as a training does that does not fit."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.empty(2**46)


class Outage(Callback):
    """Kill the tracking server once the training has begun."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        os.killpg(int(os.environ["SERVER"]), signal.SIGKILL)


def start_study(*arguments: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start `multihead study` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "multihead", "study", *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def until(condition: Callable[[], object], *processes: subprocess.Popen[str]) -> None:
    """Wait for a condition, as long as the processes live."""
    deadline = time.monotonic() + 900
    while not condition():
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def trials_of(url: str, study: str) -> list[optuna.trial.FrozenTrial]:
    """Read a study as any user of Optuna would."""
    storage = RDBStorage(url)
    try:
        return optuna.load_study(study_name=study, storage=storage).get_trials()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def assert_agreement(store: Store, url: str, study: str, count: int) -> None:
    """Exactly `count` trials ended, each with one run that says the same; no tag says nothing."""
    trials = trials_of(url, study)
    assert [t.number for t in trials] == list(range(count))
    assert all(t.state.is_finished() for t in trials)
    experiment = store.experiment_id(study)
    runs = store.client.search_runs(
        [experiment], "tags.`multihead.kind` = 'trial'", max_results=1000
    )
    by_trial = {int(run.data.tags["multihead.trial"]): run for run in runs}
    assert len(runs) == len(by_trial) == count
    for trial in trials:
        run = by_trial[trial.number]
        assert run.info.status == STATUS[trial.state.name]
        assert run.data.tags["multihead.state"] == trial.state.name
        assert run.data.tags["multihead.run"] in trial.user_attrs["runs"].values()
    every = store.client.search_runs([experiment], max_results=1000)
    empty = [
        key
        for run in every
        for key, value in run.data.tags.items()
        if value in ("", "None", "none")
    ]
    assert empty == []
