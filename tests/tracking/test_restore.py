"""What was deleted in MLflow is named in one line, with the command that brings it back."""

import shlex

import pytest
from click.testing import CliRunner

from multihead.cli.restore import command
from multihead.errors import ConfigError, DeletedError, StoreError
from multihead.tracking.find import find_run
from multihead.tracking.restore import restore
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.sync import sync

CONFIG = {"logger": {"tracking_uri": None, "experiment_name": "e"}, "paths": {"home": "h"}}
NAME = "it's --odd"


def _restored_by(error: pytest.ExceptionInfo[DeletedError]) -> str:
    """Type the command that an error names; return what it prints."""
    words = shlex.split(str(error.value).split("`")[1])
    assert words[:2] == ["multihead", "restore"]
    done = CliRunner().invoke(command, words[2:], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_deleted_experiment_is_one_line_and_its_command_brings_it_back(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    run = TrackedRun.create(store, NAME, CONFIG)
    run.finish("FINISHED")
    store.client.delete_experiment(store.experiment_id(NAME))
    before = set(store.home.iterdir())
    with pytest.raises(DeletedError, match="is deleted in") as error:
        TrackedRun.create(store, NAME, CONFIG)
    assert caplog.messages == []
    assert set(store.home.iterdir()) == before
    assert _restored_by(error) == f"the experiment {NAME!r} with its runs is back\n"
    assert find_run(store, run.run_id).info.lifecycle_stage == "active"
    TrackedRun.create(store, NAME, CONFIG).finish("FINISHED")


@pytest.mark.parametrize("whole", [False, True], ids=["run", "experiment"])
def test_a_deleted_run_is_one_line_and_its_command_brings_it_back(
    store: Store, whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run = TrackedRun.create(store, NAME, CONFIG)
    run.finish("KILLED", "stopped", 143)
    mlflow_id = str(run.mlflow_id)
    if whole:
        store.client.delete_experiment(store.experiment_id(NAME))
    else:
        store.client.delete_run(mlflow_id)
    with pytest.raises(DeletedError, match="is deleted in"):
        find_run(store, run.run_id)
    with pytest.raises(DeletedError, match="is deleted in") as error:
        TrackedRun.reopen(store, run.run_id, CONFIG)
    assert caplog.messages == []
    assert not (run.folder / "running.json").exists()
    assert "is back" in _restored_by(error)
    again = TrackedRun.reopen(store, run.run_id, CONFIG)
    again.finish("FINISHED")
    assert find_run(store, mlflow_id).info.status == "FINISHED"


@pytest.mark.parametrize("whole", [False, True], ids=["run", "experiment"])
def test_a_run_that_is_deleted_while_it_trains_names_the_command_and_loses_nothing(
    store: Store, whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run = TrackedRun.create(store, NAME, CONFIG)
    mlflow_id = str(run.mlflow_id)
    if whole:
        store.client.delete_experiment(store.experiment_id(NAME))
    else:
        store.client.delete_run(mlflow_id)
    run.log_metrics({"a": 1.0}, 0)
    run.finish("FINISHED")
    restoring = store.restoring(run.run_id)
    assert f"is deleted in {store.uri}; restore it with `{restoring}`" in caplog.messages[0]
    (refused,) = sync(store.home, run.run_id)
    assert restoring in str(refused.problem)
    restore(store, run.run_id)
    (sent,) = sync(store.home, run.run_id)
    assert sent.problem is None
    found = find_run(store, mlflow_id)
    assert (found.info.status, found.data.metrics["a"]) == ("FINISHED", 1.0)


def test_what_is_not_deleted_is_named(store: Store) -> None:
    store.experiment_id("there")
    for what in ("there", "nowhere", "no/where", ""):
        done = CliRunner().invoke(command, ["--", what])
        assert isinstance(done.exception, ConfigError)
        assert "is deleted in" in str(done.exception)


@pytest.mark.parametrize("name", ["", "x" * 501], ids=["empty", "long"])
def test_an_experiment_that_the_store_refuses_is_one_line_and_leaves_nothing(
    store: Store, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreError, match="refuses"):
        TrackedRun.create(store, name, CONFIG)
    assert list(store.home.glob("*/spool.jsonl")) == []
    assert caplog.messages == []


@pytest.mark.parametrize("name", [" ", "x" * 500, "a\nb", "50%", "../../up", ".."])
def test_an_experiment_of_an_odd_name_is_made_within_the_home(store: Store, name: str) -> None:
    run = TrackedRun.create(store, name, CONFIG)
    run.log_file(run.folder / "config.yaml")
    run.finish("FINISHED")
    assert find_run(store, run.run_id).info.status == "FINISHED"
    assert len(list(store.home.glob("artifacts/*/*/artifacts/config.yaml"))) == 1
