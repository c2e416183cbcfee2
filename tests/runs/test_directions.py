"""A monitor's direction is that of its metric, without being written."""

from pathlib import Path

import pytest
import torch
from tests.conftest import DIGITS, Run

from multihead import run
from multihead.errors import ConfigError
from multihead.runs.build import build
from multihead.runs.config import compose_run
from multihead.runs.directions import mode_of

CHECKPOINT, STOPPING = "callbacks.model_checkpoint", "callbacks.early_stopping"


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("val/digit_loss", "min"),
        ("val/loss", "min"),
        ("val/acc_best", "max"),
        ("val/score_weighted", "max"),
        ("val/age_mae", "min"),
        ("train/acc_weight", None),
        ("lr", None),
    ],
)
def test_the_direction_is_that_of_the_metric(metric: str, mode: str | None) -> None:
    assert mode_of(metric) == mode


def test_the_best_checkpoint_of_a_loss_is_that_of_its_least(train: Run) -> None:
    """With the mode of an accuracy the worst one was kept, in silence."""
    monitored = [f"{name}.monitor=val/digit_loss" for name in (CHECKPOINT, STOPPING)]
    rising = ["model.optimizer.lr=0.5", "trainer.max_epochs=3", "seed=1"]
    result = train(*monitored, *rising, "test=false")
    assert result.best_checkpoint is not None
    saved = torch.load(result.best_checkpoint.with_name("last.ckpt"), weights_only=True)
    stopping = next(v for k, v in saved["callbacks"].items() if k.startswith("EarlyStopping"))
    assert "'mode': 'min'" in str(list(saved["callbacks"]))
    assert float(stopping["best_score"]) == pytest.approx(result.metrics["best/val/digit_loss"])


def test_the_scheduler_follows_too_and_the_record_says_which_way() -> None:
    config = compose_run([*DIGITS, "model.scheduler_monitor=val/digit_acc"])
    assert config["model"]["scheduler"]["mode"] == "max"
    assert config["callbacks"]["model_checkpoint"]["mode"] == "max"


@pytest.mark.parametrize(
    ("override", "better"),
    [
        ((f"{CHECKPOINT}.monitor=val/digit_loss", f"{CHECKPOINT}.mode=max"), "min"),
        (("model.scheduler_monitor=val/acc", "model.scheduler.mode=min"), "max"),
    ],
    ids=["callback", "scheduler"],
)
def test_a_contradiction_is_refused(home: Path, override: tuple[str, ...], better: str) -> None:
    with pytest.raises(ConfigError, match=f"mode={better}, or .*mode=null"):
        run([*DIGITS, *override])


def test_a_callback_of_lightnings_without_a_mode_gets_it() -> None:
    """Its default is min, also for an accuracy."""
    node = "{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val/digit_acc}"
    parts = build(compose_run([*DIGITS, f"+callbacks.stop={node}"]))
    assert parts.trainer.early_stopping_callbacks[-1].mode == "max"  # type: ignore[attr-defined]


def test_steps_that_end_before_a_validation_are_told(train: Run) -> None:
    result = train("+trainer.max_steps=1", "data.batch_size=32", "test=false")
    assert result.best_checkpoint is None
    assert any("no best.ckpt" in note for note in result.notes)


def test_a_whole_number_may_be_written_as_1e0() -> None:
    parts = build(compose_run([*DIGITS, "trainer.max_epochs=1e0"]))
    assert type(parts.trainer.max_epochs) is int
