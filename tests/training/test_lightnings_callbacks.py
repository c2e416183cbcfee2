"""Callbacks of Lightning's that change which weights train, or which are kept, as they come."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import RichProgressBar
from tests.training.fits import built, fitted, last_of

from multihead.errors import ConfigError
from multihead.runs.log_filters import quiet_libraries
from multihead.training.checkpoints import read_checkpoint

_OWN = "_target_: lightning.pytorch.callbacks"
FREEZE = f"+callbacks.freeze={{{_OWN}.BackboneFinetuning, unfreeze_backbone_at_epoch: 1}}"
EMA = f"+callbacks.ema={{{_OWN}.EMAWeightAveraging, decay: 0.8}}"
SWA = f"+callbacks.swa={{{_OWN}.StochasticWeightAveraging, swa_lrs: 0.001, swa_epoch_start: 1}}"


@pytest.mark.parametrize("callback", [FREEZE, EMA])
def test_a_training_with_it_goes_on_to_the_bit(tmp_path: Path, callback: str) -> None:
    fitted(tmp_path / "whole", [callback], 3)
    fitted(tmp_path / "parts", [callback], 2)
    fitted(tmp_path / "parts", [callback], 3, resume=True)
    one, other = last_of(tmp_path / "whole"), last_of(tmp_path / "parts")
    for part in {"state_dict", "current_model_state"} & one.keys():
        for name, value in one[part].items():
            assert torch.equal(value, other[part][name]), name


def test_a_backbone_that_lightning_froze_stays_as_it_was(tmp_path: Path) -> None:
    parts = fitted(tmp_path, [FREEZE.replace("epoch: 1", "epoch: 9")], 1)
    trained = last_of(tmp_path)["state_dict"]
    untrained = built().module.state_dict()
    frozen = [n for n in trained if n.startswith(("net.backbone.0.", "net.backbone.9."))]
    assert len(frozen) == 4
    assert all(torch.equal(untrained[name], trained[name]) for name in frozen)
    assert len(parts.trainer.optimizers[0].param_groups) == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([f"+callbacks.find={{{_OWN}.BatchSizeFinder}}"], "would change data.batch_size after"),
        ([f"+callbacks.find={{{_OWN}.LearningRateFinder}}"], "set model.optimizer.lr, or search"),
        ([SWA, "+trainer.max_steps=9"], "only after the last of trainer.max_epochs"),
        ([SWA, EMA], "two callbacks average weights"),
        (["+trainer.gradient_clip_algorithm=value"], "set trainer.gradient_clip_val, too"),
        (["+trainer.enable_checkpointing=false"], "callbacks.model_checkpoint writes"),
        (["+trainer.default_root_dir=x"], "runs are recorded in paths.home"),
        (
            [
                "model/scheduler=onecycle",
                "+model.scheduler.max_lr=0.1",
                "model.finetune.layer_decay=0.5",
            ],
            "those of model.finetune would have no effect",
        ),
    ],
)
def test_what_would_have_no_effect_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        built(*overrides)


def test_a_progress_bar_of_lightnings_needs_no_second_setting() -> None:
    parts = built(f"+callbacks.bar={{{_OWN}.RichProgressBar}}")
    assert isinstance(parts.trainer.progress_bar_callback, RichProgressBar)


@pytest.mark.parametrize("callback", [EMA, SWA])
def test_averaged_weights_are_validated_and_kept(tmp_path: Path, callback: str) -> None:
    parts = fitted(
        tmp_path,
        [
            callback,
            "callbacks.model_checkpoint.monitor=val/loss",
            "callbacks.model_checkpoint.mode=min",
        ],
        3,
    )
    best = read_checkpoint(tmp_path / "best.ckpt")
    assert parts.checkpoint is not None
    if callback is EMA:
        assert not all(
            torch.equal(v, best["state_dict"][n]) for n, v in best["current_model_state"].items()
        )
    parts.module.load_state_dict(best["state_dict"])
    with quiet_libraries():
        (measured,) = parts.trainer.validate(parts.module, parts.data, verbose=False)
    assert measured["val/loss"] == pytest.approx(
        parts.checkpoint.best_metrics["val/loss"], rel=1e-5
    )


def test_what_a_callback_reports_is_shown_and_banners_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = f"+callbacks.stop={{{_OWN}.EarlyStopping, monitor: val/acc, mode: max, verbose: true"
    timer = f"+callbacks.timer={{{_OWN}.Timer, duration: {{seconds: 0.001}}}}"
    parts = built(stopping + ", stopping_threshold: 0.0}", timer, "trainer.max_epochs=9")
    assert parts.checkpoint is not None
    parts.checkpoint.dirpath = tmp_path
    caplog.clear()
    with quiet_libraries():
        parts.trainer.fit(parts.module, parts.data)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert said.count("Time limit reached") == 1
    assert "Stopping threshold reached: val/acc" in said
    assert "Tip" not in said
