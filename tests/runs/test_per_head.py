"""The best epoch of each head: kept by its own metric, tested beside the one network, served."""

import math
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from tests.stops import command, points_of, run_of
from tests.training.fits import fitted, last_of

from multihead import load_run, run
from multihead.cli.main import cli
from multihead.errors import CheckpointError, ConfigError
from multihead.files import sha256
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.mae import MAE
from multihead.runs.evaluation import evaluation_config
from multihead.runs.execute import RunResult, execute
from multihead.serving.export import export
from multihead.serving.model import find_model
from multihead.serving.promote import promote
from multihead.tracking.find import find_run
from multihead.tracking.models import fetch_model
from multihead.tracking.store import Store
from multihead.tracking.tags import DESCRIPTION_TAG
from multihead.training.best_of_heads import BestOfHeads
from multihead.training.checkpoints import read_checkpoint
from multihead.training.hashes import read_hashes

SOURCE = "tests.runs.measured_rows.measured_rows"
PER_HEAD = (
    "experiment=multihead_cnn_digits",
    f"data.source._target_={SOURCE}",
    "data.train_val_test_split=[96,96,64]",
    "data.heads=null",
    "data.batch_size=16",
    "model.loss_weights=null",
    "model.criteria=null",
    "callbacks=per_head",
    "callbacks.model_checkpoint.monitor=val/score_best",
    "callbacks.early_stopping=null",
    "optimized_metric=val/score",
    "trainer.max_epochs=6",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
)
HEADS = ("größe", "side")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Store]:
    """The store of the run `trained`."""
    home = tmp_path_factory.mktemp("per_head") / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIHEAD_HOME", str(home))
        patch.chdir(home.parent)
        yield Store(home=home)


@pytest.fixture(scope="module")
def trained(shared: Store) -> RunResult:
    """A size that is judged by its error, and a side that is judged by its accuracy."""
    return run(PER_HEAD)


def file(trained: RunResult, name: str) -> Path:
    assert trained.folder is not None
    return trained.folder / "checkpoints" / f"{name}.ckpt"


def test_each_head_keeps_the_first_epoch_that_is_best_by_its_own_metric(
    shared: Store, trained: RunResult
) -> None:
    points = points_of(shared, str(trained.run_id))
    errors = [value for _, value in points["val/größe_mae"]]
    right = [value for _, value in points["val/side_acc"]]
    best = {"größe": int(np.argmin(errors)), "side": int(np.argmax(right))}
    assert len(set(best.values())) == 2, "the heads differ, or this test shows nothing"
    for head in HEADS:
        assert read_checkpoint(file(trained, f"best-{head}"))["epoch"] == best[head]
        assert read_hashes(trained.folder / "checkpoints")[f"best-{head}.ckpt"] == {
            sha256(file(trained, f"best-{head}"))
        }


def test_all_heads_figures_of_a_checkpoint_are_what_an_evaluation_of_it_measures(
    shared: Store, trained: RunResult
) -> None:
    logged = find_run(shared, str(trained.run_id)).data.metrics
    again = execute(evaluation_config(str(trained.run_id), [], [SOURCE], "best-side")).metrics
    names = [name for name in logged if name.startswith("test_best_side/")]
    assert {"test_best_side/größe_mae", "test_best_side/side_acc"} <= set(names)
    for name in names:
        expected = again[name.replace("test_best_side/", "test/")]
        assert logged[name] == pytest.approx(expected, rel=1e-5), name


def test_tables_page_and_result_say_what_each_head_gains(shared: Store, trained: RunResult) -> None:
    summary = pd.read_csv(trained.folder / "test" / "best_per_head.csv")
    assert list(summary["head"]) == list(HEADS)
    assert list(summary["metric"]) == ["mae", "acc"]
    assert list(summary["higher_is_better"]) == [False, True]
    for row, each in zip(summary.itertuples(), trained.per_head, strict=True):
        assert row.one_network == trained.metrics[f"test/{row.head}_{row.metric}"] == each.one
        own = trained.metrics[f"test_best_{row.head}/{row.head}_{row.metric}"]
        assert row.best_epoch_for_head == own == each.own
        assert row.difference == pytest.approx(own - each.one)
    everything = pd.read_csv(trained.folder / "test" / "best_per_head_all.csv")
    assert list(everything["checkpoint"].unique()) == ["best", "best-größe", "best-side"]
    assert len(everything) == 6
    told = find_run(shared, str(trained.run_id)).data.tags[DESCRIPTION_TAG]
    assert "| head | metric | one network | best epoch for this head | difference |" in told


def test_the_checkpoints_are_in_the_store_and_runs_lists_them(
    shared: Store, trained: RunResult
) -> None:
    record = find_run(shared, str(trained.run_id))
    stored = shared.client.list_artifacts(record.info.run_id, "checkpoints")
    assert {f"checkpoints/best-{head}.ckpt" for head in HEADS} <= {item.path for item in stored}
    shown = CliRunner().invoke(cli, ["runs", str(trained.run_id)], catch_exceptions=False)
    assert "checkpoints: best, best-größe, best-side, last" in shown.output


def test_each_is_loaded_served_exported_and_promoted_with_its_own_figures(
    shared: Store, trained: RunResult, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    run_id = str(trained.run_id)
    found = {}
    for name in ("best", *(f"best-{head}" for head in HEADS)):
        found[name] = load_run(run_id, checkpoint=name).outputs(images)["größe"].numpy()
        served = find_model(run_id, shared, checkpoint=f"{name}.ckpt")
        assert (served.loaded.outputs(images)["größe"].numpy() == found[name]).all()
    assert not (found["best-größe"] == found["best-side"]).all()
    weights = tmp_path / "side.safetensors"
    assert export(run_id, "safetensors", weights, checkpoint="best-side").difference == 0
    made = promote(run_id, "sides", store=shared, checkpoint="best-side")
    served = find_model(made.uri, shared)
    assert (served.loaded.outputs(images)["größe"].numpy() == found["best-side"]).all()
    model = shared.client.get_logged_model(fetch_model(shared, made.uri).model_id)
    tied = {metric.key for metric in model.metrics}
    assert "test_best_side/side_acc" in tied
    assert not [name for name in tied if not name.startswith("test_best_side/")]


@pytest.mark.parametrize("name", ["best-nothing", "", "../best", "best-größe/../best"])
def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(
    trained: RunResult, name: str
) -> None:
    with pytest.raises(CheckpointError, match="it has: best, best-größe, best-side, last"):
        load_run(str(trained.run_id), checkpoint=name)


def test_a_checkpoint_that_was_never_tested_is_not_promoted(
    shared: Store, trained: RunResult
) -> None:
    with pytest.raises(ConfigError, match=r"'last' of run .* has no test metrics"):
        promote(str(trained.run_id), "x", store=shared, checkpoint="last")


def test_a_checkpoint_of_what_is_no_run_is_refused(shared: Store) -> None:
    with pytest.raises(ConfigError, match="needs a run"):
        find_model("models:/x/1", shared, checkpoint="best-side")
    done = CliRunner().invoke(cli, ["evaluate", "ckpt_path=a", "--checkpoint=best-side"])
    assert (done.exit_code, "needs run=" in done.output) == (2, True)


def test_a_training_that_goes_on_keeps_the_best_so_far(tmp_path: Path) -> None:
    """Its next epochs are no better; it must not take the first that it sees."""
    fitted(tmp_path, ["callbacks=per_head"], 1)
    before = {path.name: sha256(path) for path in tmp_path.glob("best-*.ckpt")}
    assert len(before) == 3
    checkpoint = last_of(tmp_path)
    unbeaten = {head: [2.0, 0] for head in ("digit", "thickness", "smoothness")}
    checkpoint["callbacks"]["RunCheckpoint"]["of_heads"] = unbeaten
    (tmp_path / "last.ckpt").unlink()  # the others are further names of its bytes
    torch.save(checkpoint, tmp_path / "last.ckpt")
    fitted(tmp_path, ["callbacks=per_head"], 2, resume=True)
    assert {path.name: sha256(path) for path in tmp_path.glob("best-*.ckpt")} == before


def test_trying_a_few_batches_leaves_no_checkpoint(home: Path) -> None:
    result = run([*PER_HEAD, "+trainer.fast_dev_run=true"])
    assert not list(home.rglob("*.ckpt"))
    assert result.per_head == ()


def test_heads_without_validation_are_refused(home: Path) -> None:
    watched = "callbacks.model_checkpoint.monitor=train/loss"
    split = "data.train_val_test_split=[96,0,64]"
    others = ["optimized_metric=null", "model/scheduler=none"]
    with pytest.raises(ConfigError, match=r"per_head .* no head is validated in this run"):
        run([*PER_HEAD, watched, split, *others])


def test_of_equal_epochs_the_first_stays_and_what_is_no_number_is_passed_over() -> None:
    best = BestOfHeads({"a": ACCURACY, "b": MAE})
    assert best.update({"val/a_acc": math.nan, "val/b_mae": 2.0}, 0) == ["b"]
    assert best.update({"val/a_acc": 0.5, "val/b_mae": 2.0}, 1) == ["a"]
    assert best.update({"val/a_acc": 0.4, "val/b_mae": 1.0}, 2) == ["b"]
    assert best.update({}, 3) == []
    assert best.best == {"a": (0.5, 1), "b": (1.0, 2)}
    hostile = {"a": [0.1, 7], "b": "x", "../c": [1.0, 2]}
    assert list(best.recorded(hostile)) == [("a", 0.1, 7)]


@pytest.mark.slow
def test_a_killed_run_ends_with_the_checkpoints_and_figures_of_one_that_was_not(
    shared: Store, trained: RunResult
) -> None:
    killed = command("train", *PER_HEAD, stop_at=20, by=signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    run_id = run_of(killed)
    again = command("train", f"resume={run_id}", "--trust", SOURCE)
    assert again.returncode == 0, again.stderr
    whole, resumed = (points_of(shared, each) for each in (str(trained.run_id), run_id))
    assert resumed == whole
    for head in HEADS:
        one = read_checkpoint(file(trained, f"best-{head}"))
        other = read_checkpoint(shared.home / run_id / "checkpoints" / f"best-{head}.ckpt")
        assert one["epoch"] == other["epoch"]
        for name, value in one["state_dict"].items():
            assert value.equal(other["state_dict"][name]), name
