"""Averaged weights validate, are kept and tested; a training goes on with the raw ones."""

from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from tests.training.fits import built, fitted, last_of

from multihead.errors import CheckpointError, ConfigError
from multihead.runs.log_filters import quiet_libraries
from multihead.training.averaging import WeightAverage
from multihead.training.checkpoints import RAW, read_checkpoint
from multihead.training.schedules import Length

EMA, SWA = "callbacks=ema", "callbacks=swa"
LIGHTNINGS = "+callbacks.ema={_target_: lightning.pytorch.callbacks.EMAWeightAveraging, decay: 0.8}"
BY_LOSS = ("callbacks.model_checkpoint.monitor=val/loss", "callbacks.model_checkpoint.mode=min")
_KEY, _MEAN = "net.backbone.0.weight", "net.backbone.1.running_mean"


class _Raw(pl.Callback):
    """Keeps the weights that train, at the end of each epoch."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = pl_module.state_dict()
        self.states.append({name: state[name].clone() for name in (_KEY, _MEAN)})


@pytest.mark.parametrize("callback", [EMA, SWA, LIGHTNINGS])
def test_the_weights_that_were_validated_are_kept_and_tested(tmp_path: Path, callback: str) -> None:
    """Lightning would load the raw weights of the checkpoint to test."""
    parts = fitted(tmp_path, [callback, *BY_LOSS], 3)
    best = read_checkpoint(tmp_path / "best.ckpt")
    assert parts.checkpoint is not None
    with quiet_libraries():
        parts.trainer.test(parts.module, parts.data, ckpt_path=tmp_path / "best.ckpt")
        tested = {name: value.clone() for name, value in parts.module.state_dict().items()}
        fresh = built(callback, *BY_LOSS)
        fresh.module.load_state_dict(best["state_dict"])
        (measured,) = fresh.trainer.validate(fresh.module, fresh.data, verbose=False)
    assert all(torch.equal(tested[name], best["state_dict"][name]) for name in (_KEY, _MEAN))
    kept = parts.checkpoint.best_metrics["val/loss"]
    assert measured["val/loss"] == pytest.approx(kept, rel=1e-5)


@pytest.mark.parametrize("callback", [EMA, "callbacks=default"])
def test_the_weights_of_the_best_validation_within_an_epoch_are_kept(
    tmp_path: Path, callback: str
) -> None:
    """At the end of the epoch, a further batch has changed them."""
    chosen = [callback, "callbacks.early_stopping=null", "callbacks.progress=null", *BY_LOSS]
    chosen.append("+trainer.val_check_interval=3")
    parts = fitted(tmp_path, chosen, 2)
    best = read_checkpoint(tmp_path / "best.ckpt")
    assert parts.checkpoint is not None
    parts.module.load_state_dict(best["state_dict"])
    with quiet_libraries():
        (measured,) = parts.trainer.validate(parts.module, parts.data, verbose=False)
    assert measured["val/loss"] == pytest.approx(
        parts.checkpoint.best_metrics["val/loss"], rel=1e-5
    )
    assert best["global_step"] == 7
    assert last_of(tmp_path)["global_step"] == 8


def test_a_best_validation_within_an_epoch_is_taken_over_from_another_folder(
    tmp_path: Path,
) -> None:
    """The checkpoint at the end of the same epoch has other weights."""
    chosen = [*BY_LOSS, "+trainer.val_check_interval=3"]
    fitted(tmp_path / "one", chosen, 2)
    last = tmp_path / "one" / "last.ckpt"
    parts = built(*chosen, "trainer.max_epochs=3", f"ckpt_path={last}")
    assert parts.checkpoint is not None
    parts.checkpoint.dirpath, parts.checkpoint.start_from = tmp_path / "two", last
    (tmp_path / "two").mkdir()
    checkpoint = read_checkpoint(last)
    parts.checkpoint._loaded_epoch = checkpoint["epoch"]
    (state,) = (s for name, s in checkpoint["callbacks"].items() if "RunCheckpoint" in name)
    parts.checkpoint.load_state_dict(state)
    assert read_checkpoint(tmp_path / "two" / "best.ckpt")["global_step"] == 7


def test_the_mean_of_the_last_epochs_has_the_mean_of_their_batch_norm(tmp_path: Path) -> None:
    raw = _Raw()
    fitted(tmp_path, [SWA, "callbacks.average.start=1"], 3, further=lambda _: [raw])
    last = last_of(tmp_path)
    for name in (_KEY, _MEAN):
        mean = (raw.states[1][name] + raw.states[2][name]) / 2
        torch.testing.assert_close(last["state_dict"][name], mean)
        assert torch.equal(last[RAW][name], raw.states[2][name])


def test_the_mean_has_the_last_epoch_also_if_max_steps_cuts_it(tmp_path: Path) -> None:
    raw = _Raw()
    chosen = [SWA, "callbacks.average.start=1", "+trainer.max_steps=11"]
    fitted(tmp_path, chosen, 10, further=lambda _: [raw])
    mean = (raw.states[1][_MEAN] + raw.states[2][_MEAN]) / 2
    torch.testing.assert_close(last_of(tmp_path)["state_dict"][_MEAN], mean)


def test_an_exponential_average_without_warm_up_is_lightnings(tmp_path: Path) -> None:
    ours = ["callbacks.average.decay=0.8", "callbacks.average.warmup=false"]
    fitted(tmp_path / "ours", [EMA, *ours], 1)
    fitted(tmp_path / "lightning", [LIGHTNINGS], 1)
    one, other = (last_of(tmp_path / name)["state_dict"] for name in ("ours", "lightning"))
    for name in (_KEY, _MEAN):
        torch.testing.assert_close(one[name], other[name])


def test_a_short_training_forgets_its_first_weights() -> None:
    """With 0.999 from the start, 100 steps would leave nine tenths of the untrained weights."""
    average, left = WeightAverage(0.999), 1.0
    for updates in range(1, 100):
        left *= 1 - average.share(updates)
    assert left < 1e-6
    assert average.share(100_000) == pytest.approx(0.001)


def test_until_averaging_starts_the_raw_weights_are_kept(tmp_path: Path) -> None:
    fitted(tmp_path, [EMA, "callbacks.average.start=3", "callbacks.average.every=2"], 1)
    early = last_of(tmp_path)
    assert torch.equal(early["state_dict"][_KEY], early[RAW][_KEY])
    fitted(tmp_path, [EMA, "callbacks.average.start=4"], 2, resume=True)
    late = last_of(tmp_path)
    assert not torch.equal(late["state_dict"][_KEY], late[RAW][_KEY])


def test_a_frozen_backbone_is_its_average_to_the_bit(tmp_path: Path) -> None:
    chosen = [EMA, "model/finetune=head_only"]
    before = built(*chosen).module.state_dict()
    fitted(tmp_path, chosen, 2)
    kept = last_of(tmp_path)["state_dict"]
    frozen = [name for name in kept if name.startswith("net.backbone.")]
    assert len(frozen) > 10
    assert all(torch.equal(before[name], kept[name]) for name in frozen)


@pytest.mark.parametrize(
    ("steps", "given"),
    [
        ([2, 4, 6], {"every": 2}),
        ([5, 6], {"start": 4}),
        ([4, 6], {"start": 2, "every": 2}),
        ([4, 5, 6], {"start_fraction": 0.5}),
    ],
)
def test_steps_count_that_the_settings_name(steps: list[int], given: dict[str, float]) -> None:
    average = WeightAverage(**given)
    average.plan(Length(6))
    assert [n for n in range(1, 7) if average.should_update(step_idx=n - 1)] == steps


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["callbacks.average.decay=1.0"], "decay of averaged weights is 1.0"),
        (["callbacks.average.every=0"], "every of averaged weights is 0"),
        (["callbacks.average.interval=batch"], "choose one of"),
        (["callbacks.average.start=400"], "after 400 steps, but the training has only 120"),
        (["trainer.max_epochs=-1", "callbacks.average.start_fraction=0.5"], "is not known"),
        ([LIGHTNINGS], "two callbacks average"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        built(EMA, *overrides)


def test_a_training_goes_on_with_the_average_it_began_with(tmp_path: Path) -> None:
    fitted(tmp_path, [EMA], 1)
    with pytest.raises(CheckpointError, match="resume with the callback"):
        fitted(tmp_path, [], 2, resume=True)
