"""Trainings on two CPU processes: the same run as on one, with one record, however it ends."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch

from multihead import load_run, run, settings
from multihead.runs.evaluation import evaluation_config
from multihead.runs.execute import RunResult, execute
from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.training.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
ONE = ("trainer=cpu",)
BACK_TO_ONE = ("trainer.strategy=auto", "trainer.devices=1")
FORTH_TO_TWO = ("+trainer.strategy=ddp", "trainer.devices=2")
# 131 = 3 * 33 + 32 images, 65 and 67: batches that two processes cannot halve. SGD, because Adam
# makes a full step of the rounding in a gradient that is zero, as that of a bias before batch norm.
UNEVEN = (
    "experiment=multihead_cnn_digits",
    "data.train_val_test_split=[131,65,67]",
    "data.batch_size=33",
    "trainer.max_epochs=2",
    "trainer.precision=32-true",
    "model.optimizer._target_=torch.optim.SGD",
    "model.optimizer.lr=0.05",
    "model.net.dropout=0",
)
EXACT = 2e-6


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Path]:
    """A home for the trainings that several tests look at."""
    home = tmp_path_factory.mktemp("shared") / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIHEAD_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def one(shared: Path) -> RunResult:
    """A training on one device."""
    return run([*UNEVEN, *ONE])


@pytest.fixture(scope="module")
def two(shared: Path, one: RunResult) -> RunResult:
    """The same training on two."""
    return run([*UNEVEN, *TWO])


@pytest.fixture(scope="module")
def resumed(shared: Path, one: RunResult, two: RunResult) -> Iterator[dict[str, RunResult]]:
    """Both after a third epoch, in copies, each on the other's number of devices."""
    home = shutil.copytree(shared, shared.with_name("copy"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIHEAD_HOME", str(home))
        third = "trainer.max_epochs=3"
        yield {
            "one, then two": run([f"resume={one.run_id}", third, *FORTH_TO_TWO]),
            "two, then one": run([f"resume={two.run_id}", third, *BACK_TO_ONE]),
        }


def test_losses_metrics_and_calibration_are_those_of_one_device(
    one: RunResult, two: RunResult
) -> None:
    assert two.metrics.keys() == one.metrics.keys()
    for name, value in one.metrics.items():
        assert two.metrics[name] == pytest.approx(value, abs=EXACT), name


def test_weights_and_batch_statistics_are_those_of_one_device(
    one: RunResult, two: RunResult
) -> None:
    ours, theirs = (read_checkpoint(r.folder / "checkpoints" / "best.ckpt") for r in (two, one))
    for name, value in theirs["state_dict"].items():
        torch.testing.assert_close(ours["state_dict"][name], value, atol=EXACT, rtol=EXACT)


def test_what_is_shown_of_the_test_is_that_of_one_device(one: RunResult, two: RunResult) -> None:
    """Confusion, reliability and the worst images, with their numbers in the test split."""
    tables = sorted(path.name for path in (one.folder / "test").glob("*.csv"))
    assert any(name.startswith("worst_") for name in tables)
    for name in tables:
        ours, theirs = (pd.read_csv(r.folder / "test" / name) for r in (two, one))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-4, check_exact=False)


def test_there_is_one_record_with_the_sizes(shared: Path, one: RunResult, two: RunResult) -> None:
    store = Store(home=shared)
    (experiment,) = [e for e in store.client.search_experiments() if e.name != "Default"]
    runs = store.client.search_runs([experiment.experiment_id], "tags.`multihead.kind` = 'run'")
    assert {record.data.tags["multihead.run"] for record in runs} == {one.run_id, two.run_id}
    assert len(list((shared / two.run_id).glob("spool*"))) == 1
    params = find_run(store, two.run_id).data.params
    assert params["world_size"] == "2"
    assert (params["global_batch_size"], params["device_batch_size"]) == ("33", "17")
    assert params["learning_rate"] == "0.05"
    metrics = find_run(store, two.run_id).data.metrics
    assert metrics["grad_norm"] == pytest.approx(
        find_run(store, one.run_id).data.metrics["grad_norm"], rel=1e-4
    )


def test_no_process_is_left(two: RunResult) -> None:
    commands = [" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)]
    assert not [command for command in commands if "multihead.runs.rank" in command]


def test_checkpoints_go_from_one_device_to_two_and_back(resumed: dict[str, RunResult]) -> None:
    forth, back = resumed.values()
    assert forth.metrics.keys() == back.metrics.keys()
    for name, value in forth.metrics.items():
        assert back.metrics[name] == pytest.approx(value, abs=5 * EXACT), name


def test_a_run_of_two_devices_is_evaluated_and_loaded_on_one(shared: Path, two: RunResult) -> None:
    found = execute(evaluation_config(two.run_id, BACK_TO_ONE))
    assert found.metrics["test/score"] == pytest.approx(two.metrics["test/score"], abs=EXACT)
    answers = load_run(two.run_id).predict(torch.zeros(3, 1, 8, 8, dtype=torch.uint8))
    assert {name: len(values) for name, values in answers.items()} == dict.fromkeys(two.heads, 3)


def test_thawing_in_two_processes_is_that_of_one(shared: Path) -> None:
    """Of parameters that are frozen when the processes agree on whose gradients they exchange."""
    thawed = ["model/finetune=gradual", "model.finetune.unfreeze=[1,2]", "trainer.max_epochs=3"]
    whole, parts = (run([*UNEVEN, *thawed, "test=false", *where]) for where in (ONE, TWO))
    home = settings.home()  # `resumed` works in a copy of the one that is shared
    one, two = (
        read_checkpoint(home / str(r.run_id) / "checkpoints/last.ckpt") for r in (whole, parts)
    )
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(value, two["state_dict"][name], rtol=1e-4, atol=EXACT)
