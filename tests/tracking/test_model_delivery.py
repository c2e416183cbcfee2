"""A run's model on its way to the store, also where the sender is killed in the middle of it."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.models import Model

from multihead.tracking.find import find_run
from multihead.tracking.folder import RunFolder
from multihead.tracking.models import run_model
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.sync import sync

CONFIG = {"logger": {"tracking_uri": None}, "seed": 1}
NOBODY = "http://127.0.0.1:9"


def _write_model(run: TrackedRun, digest: str) -> None:
    folder = run.folder / "model"
    folder.mkdir(exist_ok=True)
    Model().save(str(folder / "MLmodel"))
    (folder / "weights").write_text(digest)
    run.log_model("model", digest)


@pytest.fixture
def unsent(store: Store) -> RunFolder:
    """A run with a model that ended while nothing answered."""
    run = TrackedRun.create(Store(NOBODY, store.home), "trial", CONFIG)
    for context in ("train", "test"):
        run.log_dataset(name="bars", digest=context, context=context, source="here", profile={})
    run.log_metrics({"best/val/acc": 0.75, "train/acc": 1.0}, 7)
    run.log_metrics({"test/acc": 0.5}, 8)
    _write_model(run, "d1")
    run.finish("FINISHED")
    (run.folder / "delivery.json").unlink()  # as if begun in the store of the test
    return RunFolder(run.folder)


def _kill_after(call: str, home: Path) -> None:
    """Sync in a process that is killed right after it called the store."""
    child = os.fork()
    if child == 0:
        plain = getattr(MlflowClient, call)

        def last(self: MlflowClient, *arguments: Any, **named: Any) -> None:
            plain(self, *arguments, **named)
            if call != "log_batch" or named:  # the metrics of the run are sent without names
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(MlflowClient, call, last)
        try:
            list(sync(home))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("create_logged_model", marks=pytest.mark.slow),
        pytest.param("log_model_artifacts", marks=pytest.mark.slow),
        pytest.param("log_batch", marks=pytest.mark.slow),
        "log_outputs",
        pytest.param("finalize_logged_model", marks=pytest.mark.slow),
    ],
)
def test_a_sync_killed_in_the_middle_of_a_model_makes_it_once(
    store: Store, unsent: RunFolder, call: str
) -> None:
    _kill_after(call, store.home)
    (done,) = sync(store.home)
    assert done.problem is None
    assert list(sync(store.home)) == []
    run = find_run(store, unsent.run_id)
    (model,) = store.client.search_logged_models([run.info.experiment_id])
    assert model.status == "READY"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    points = {(m.key, m.value, m.step, m.dataset_digest) for m in model.metrics}
    assert points == {("best/val/acc", 0.75, 7, "train"), ("test/acc", 0.5, 8, "test")}
    for key in ("best/val/acc", "test/acc"):
        assert len(store.client.get_metric_history(run.info.run_id, key)) == 1
    fetched = run_model(store, unsent.run_id)
    assert fetched is not None
    assert (fetched.folder / "weights").read_text() == "d1"


def test_the_model_of_a_run_is_that_of_its_last_attempt(store: Store, unsent: RunFolder) -> None:
    assert [done.problem for done in sync(store.home)] == [None]
    for digest in ("d2", "d3"):
        run = TrackedRun.reopen(store, unsent.run_id, CONFIG, from_step=7)
        _write_model(run, digest)
        run.finish("FINISHED")
        fetched = run_model(store, unsent.run_id)
        assert fetched is not None
        assert (fetched.folder / "weights").read_text() == digest
