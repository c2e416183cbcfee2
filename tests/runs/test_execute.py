import json
import re
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from tests.conftest import DIGITS, Run, multihead
from tests.stops import command, points_of, run_of

from multihead import run
from multihead.errors import ConfigError, DivergenceError
from multihead.files import sha256
from multihead.runs.execute import RunResult
from multihead.runs.fingerprint import HASH_TAG
from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.training.checkpoints import read_checkpoint


def test_a_run_holds_everything_needed_to_understand_it(train: Run, store: Store) -> None:
    result = train('tags=["multi_task","thickness_0.5"]', "name=first")
    found = find_run(store, result.run_id)
    tags, params = found.data.tags, found.data.params
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "first"
    assert store.client.get_experiment(found.info.experiment_id).name == "multihead_cnn_digits"
    assert params["model.optimizer.lr"] == "0.002"
    assert params["seed"] == "12345"
    assert tags["multihead.tags"] == "multi_task,thickness_0.5"
    assert tags["tag.multi_task"] == "true"
    assert tags["multihead.run"] == result.run_id
    assert re.fullmatch("[0-9a-f]{32}", tags["data.train_digest"])
    for key in ("precision", "hardware.cpu", "version.torch", "version.python", "parameters"):
        assert tags[key]
    contexts = {i.tags[0].value: i.dataset.digest for i in found.inputs.dataset_inputs}
    assert contexts == {"train": tags["data.train_digest"], "test": tags["data.test_digest"]}


def test_lightnings_own_checkpoints_lie_in_the_runs_folder(train: Run, home: Path) -> None:
    """Where its documentation puts them: in `checkpoints`, below the logger's folder."""
    target = "{_target_: lightning.pytorch.callbacks.ModelCheckpoint}"
    result = train(f"+callbacks.theirs={target}", "trainer.max_epochs=1", "test=false")
    names = {path.name for path in (home / result.run_id / "checkpoints").iterdir()}
    assert "last.ckpt" in names
    assert any(name.startswith("epoch=0") for name in names)
    assert not (home / "mlflow").exists()


def test_lightnings_profiler_writes_into_the_run(train: Run, store: Store, home: Path) -> None:
    result = train("+trainer.profiler=simple", "+trainer.limit_train_batches=1")
    assert result.profile == home / result.run_id / "profile"
    reports = {path.name: path.read_text() for path in result.profile.glob("*profile*.txt")}
    for stage in ("fit", "test"):
        (report,) = (text for name, text in reports.items() if name.startswith(stage))
        assert f"{stage.upper()} Profiler Report" in report
    recorded = {
        Path(file.path).name for file in store.client.list_artifacts(result.mlflow_id, "profile")
    }
    assert recorded == {path.name for path in result.profile.iterdir()}


def test_a_runs_artifacts_are_whole(train: Run, store: Store) -> None:
    result = train()
    here = store.client.download_artifacts(result.mlflow_id, "")
    files = {str(p.relative_to(here)) for p in Path(here).rglob("*") if p.is_file()}
    heads, kinds = ("digit", "thickness", "smoothness"), ("confusion", "reliability", "worst")
    pictures = {f"test/{kind}_{head}.png" for kind in kinds for head in heads}
    tables = {name.replace("png", "csv") for name in pictures}
    checkpoints = {"checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    own = {"attempts.json", "config.yaml", "environment.json", "manifest.json", "test/test.csv"}
    assert files - {"code.diff"} == own | checkpoints | pictures | tables
    manifest = json.loads((Path(here) / "manifest.json").read_text())["sha256"]
    assert manifest == {name: sha256(Path(here) / name) for name in files - {"manifest.json"}}
    table = pd.read_csv(Path(here) / "test" / "test.csv")
    assert table["head"].tolist() == ["digit", "thickness", "smoothness"]
    assert table["accuracy"].tolist() == [result.metrics[f"test/{h}_acc"] for h in table["head"]]
    confusion = pd.read_csv(Path(here) / "test" / "confusion_digit.csv", index_col=0).to_numpy()
    assert confusion.sum() == 64
    assert np.trace(confusion) / 64 == pytest.approx(result.metrics["test/digit_acc"])
    assert yaml.safe_load((Path(here) / "config.yaml").read_text())["seed"] == 12345
    assert json.loads((Path(here) / "environment.json").read_text())["versions"]["torch"]


def test_artifacts_lie_under_the_home_whatever_the_current_folder(
    train: Run, store: Store, home: Path
) -> None:
    """MLflow's own default is ./mlruns of wherever the command ran."""
    result = train("test=false")
    uri = find_run(store, result.run_id).info.artifact_uri
    assert uri.startswith((home / "artifacts" / "multihead_cnn_digits").as_uri())
    assert not Path("mlruns").exists()


def test_curves_have_one_point_per_epoch_at_the_right_step(train: Run, store: Store) -> None:
    result = train("trainer.max_epochs=3", "data.batch_size=32", "test=false")
    history = points_of(store, result.run_id)
    for name in ("train/digit_loss", "val/thickness_acc", "val/acc_best", "lr"):
        assert [step for step, _ in history[name]] == [4, 8, 12]
    epochs = sorted(set(history["epoch"]))
    assert epochs[:3] == [(4, 0.0), (8, 1.0), (12, 2.0)]


def test_best_metrics_are_those_of_the_epoch_of_the_best_checkpoint(
    train: Run, store: Store
) -> None:
    result = train("trainer.max_epochs=4", "model.optimizer.lr=0.02")
    history = points_of(store, result.run_id)
    scores = [value for _, value in history["val/acc"]]
    best = scores.index(max(scores))
    for name in ("val/acc", "val/digit_loss", "val/smoothness_acc", "train/loss"):
        assert result.metrics[f"best/{name}"] == history[name][best][1]
    assert result.optimized_value == result.metrics["best/val/digit_acc"]
    again = run([*DIGITS, "train=false", f"ckpt_path={result.best_checkpoint}"])
    assert again.metrics["test/digit_loss"] == result.metrics["test/digit_loss"]


def test_the_test_split_is_not_read_unless_asked(train: Run, store: Store) -> None:
    result = train("test=false")
    assert not [name for name in result.metrics if name.startswith("test/")]
    assert "data.test_digest" not in find_run(store, result.run_id).data.tags


def test_the_same_seed_gives_the_same_curves_to_the_bit(train: Run, store: Store) -> None:
    short = ("trainer.max_epochs=2", "test=false")
    first, second = train(*short), train(*short)
    assert points_of(store, first.run_id) == points_of(store, second.run_id)
    other = train(*short, "seed=1")
    assert points_of(store, first.run_id) != points_of(store, other.run_id)


def test_a_fast_dev_run_records_nothing(train: Run, home: Path) -> None:
    result = train("+trainer.fast_dev_run=true")
    assert result.run_id is None
    assert {p.name for p in home.iterdir()} == {"mlflow.db"}


class BreakThickness(Callback):
    """Spoils the weights of one head before step 6."""

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        if trainer.global_step == 6:
            for weights in module.net.heads["thickness_head"].parameters():
                torch.nn.init.constant_(weights, torch.nan)


def test_a_loss_that_is_not_finite_fails_the_run_and_keeps_the_last_checkpoint(
    train: Run, store: Store
) -> None:
    with pytest.raises(DivergenceError, match="head 'thickness' is not finite at step 6"):
        train("trainer.max_epochs=3", f"+callbacks.own._target_={__name__}.BreakThickness")
    (found,) = store.client.search_runs(["1"])
    assert found.info.status == "FAILED"
    assert "head 'thickness' is not finite at step 6" in found.data.tags["multihead.error"]
    kept = store.home / found.data.tags["multihead.run"] / "checkpoints" / "last.ckpt"
    assert read_checkpoint(kept)["global_step"] == 4


def test_notes_name_heads_that_are_functions_of_another(train: Run) -> None:
    (note,) = train("test=false").notes
    assert note.startswith("thickness and smoothness are functions of digit")


def test_what_looks_at_shared_gradients_is_told_where_there_are_none(train: Run) -> None:
    words = ("model/finetune=head_only", "model/balancer=pcgrad", "callbacks=affinity")
    notes = train("test=false", *words).notes
    said = "model.balancer and callbacks.affinity have no effect: the heads share no parameters"
    assert [note for note in notes if note.startswith(said)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "number", "code"),
    [
        pytest.param(6, signal.SIGTERM, 143, id="SIGTERM within an epoch"),
        pytest.param(8, signal.SIGINT, 130, id="Ctrl-C at the end of an epoch"),
    ],
)
def test_an_interrupted_run_is_killed_and_goes_on_to_the_uninterrupted_result(
    home: Path, store: Store, step: int, number: int, code: int
) -> None:
    """With dropout, a plateau scheduler and a best epoch to remember, equal to the bit."""
    overrides = [
        *DIGITS,
        "trainer.max_epochs=4",
        "trainer.accelerator=cpu",
        "model.scheduler.patience=0",
    ]
    stopped = command("train", *overrides, stop_at=step, by=number)
    assert stopped.returncode == code, stopped.stderr
    assert len(stopped.stderr.splitlines()) == 1
    run_id = run_of(stopped)
    found = find_run(store, run_id)
    assert found.info.status == "KILLED"
    resumed = multihead(["train", f"resume={run_id}"], folder=home, OMP_NUM_THREADS="1")
    assert resumed.returncode == 0, resumed.stderr
    whole = command("train", *overrides)
    whole_id = run_of(whole)
    assert points_of(store, run_id) == points_of(store, whole_id)
    found = find_run(store, run_id)
    assert found.info.status == "FINISHED"
    assert "multihead.error" not in found.data.tags


def test_a_finished_run_can_be_given_more_epochs(train: Run, store: Store) -> None:
    first = train("trainer.max_epochs=2", "test=false")
    run([f"resume={first.run_id[:-2]}", "trainer.max_epochs=3"])
    longer = train("trainer.max_epochs=3", "test=false")
    ours, theirs = points_of(store, first.run_id), points_of(store, longer.run_id)
    assert ours["val/digit_loss"] == theirs["val/digit_loss"]
    assert len(ours["train/loss"]) == 3


def test_what_changed_with_a_resume_is_on_record_and_stays(train: Run, store: Store) -> None:
    first = train("test=false")
    run([f"resume={first.run_id}", "trainer.max_epochs=2"])
    assert find_run(store, first.run_id).data.tags["resumed.trainer.max_epochs"] == "2"
    assert run([f"resume={first.run_id}", "trainer.max_epochs=3"]).run_id == first.run_id
    config = yaml.safe_load((first.folder / "config.yaml").read_text())
    assert (config["trainer"]["max_epochs"], config["ckpt_path"]) == (3, None)


@pytest.mark.parametrize("override", ["seed=2", "logger.experiment_name=other", "--cfg"])
def test_a_resume_cannot_change_what_makes_the_run(train: Run, override: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot change within a run|takes overrides only"):
        run([f"resume={train('test=false').run_id}", override])


def test_a_run_resumes_from_another_folder_with_its_own_store(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record names a relative home, and a store that is not the default."""
    monkeypatch.delenv("MULTIHEAD_HOME")
    uri = f"logger.tracking_uri=sqlite:///{home}/mlflow.db"
    first = run([*DIGITS, "trainer.max_epochs=1", "test=false", uri])
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "runs"))
    again = run([f"resume={first.run_id}", "trainer.max_epochs=2"])
    assert again.mlflow_id == first.mlflow_id
    assert list((tmp_path / "sub").iterdir()) == []


def test_a_run_that_does_not_improve_on_its_start_tests_the_starts_best(train: Run) -> None:
    """Otherwise best metrics and test would be of different weights."""
    worst = [
        "callbacks.model_checkpoint.monitor=val/digit_loss",
        "+model.optimizer.maximize=true",  # each epoch is worse than the one before
    ]
    start = train("trainer.max_epochs=2", *worst)
    last = f"ckpt_path={start.folder}/checkpoints/last.ckpt"
    later = train("trainer.max_epochs=3", last, *worst)
    assert later.metrics["best/val/digit_loss"] == start.metrics["best/val/digit_loss"]
    assert later.metrics["test/digit_loss"] == start.metrics["test/digit_loss"]


def test_a_start_from_a_checkpoint_is_another_training_and_a_resume_is_not(
    train: Run, store: Store
) -> None:
    """Else an ablation takes a training that went on from elsewhere for one from the beginning."""
    first = train("trainer.max_epochs=2", "test=false")
    whole = _hash(store, first)
    start = f"ckpt_path={first.folder}/checkpoints/last.ckpt"
    second = train("trainer.max_epochs=2", "test=false", start)
    further = _hash(store, second)
    assert further != whole
    for result in (first, second):
        run([f"resume={result.run_id}"])
    assert (_hash(store, first), _hash(store, second)) == (whole, further)


def _hash(store: Store, result: RunResult) -> str:
    return find_run(store, result.run_id).data.tags[HASH_TAG]


def test_a_checkpoint_can_start_another_run(train: Run) -> None:
    first = train("test=false")
    last = f"ckpt_path={first.folder}/checkpoints/last.ckpt"
    second = train("trainer.max_epochs=2", "test=false", last)
    whole = train("trainer.max_epochs=2", "test=false")
    assert second.metrics["val/digit_loss"] == whole.metrics["val/digit_loss"]
    assert second.run_id != first.run_id


class Broken(Callback):
    def on_train_epoch_end(self, *_: Any) -> None:
        raise ZeroDivisionError("of all things")


def test_an_unexpected_error_fails_the_run_with_its_reason(train: Run, store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        train(f"+callbacks.own._target_={__name__}.Broken")
    (found,) = store.client.search_runs(
        [e.experiment_id for e in store.client.search_experiments()]
    )
    assert found.info.status == "FAILED"
    assert found.data.tags["multihead.error"] == "ZeroDivisionError: of all things"
