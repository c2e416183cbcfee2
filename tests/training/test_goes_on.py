"""A training that was stopped anywhere goes on to what it would have come to, equal to the bit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.fits import fitted, last_of, stopped

from multihead.training.checkpoints import RAW

WARM = ["model/scheduler=warmup_cosine", "model.scheduler.warmup_epochs=1.5"]
CYCLE = ["model/scheduler=onecycle", "model.scheduler.cycle_momentum=true"]
EMA, SWA = ["callbacks=ema"], ["callbacks=swa", "callbacks.average.start_fraction=0.4"]
SOME = ["callbacks=ema", "callbacks.average.every=3", "callbacks.average.start=2"]
GRADUAL = ["model/finetune=gradual", "model.finetune.unfreeze=[1,2]"]
LAYERS = ["model.finetune.layer_decay=0.5", "model.finetune.head_lr=0.01"]
ACCUMULATED = ["+trainer.accumulate_grad_batches=3"]


def _assert_equal(one: Any, other: Any, where: str) -> None:
    if isinstance(one, Mapping):
        assert one.keys() == other.keys(), where
        for key in one:
            _assert_equal(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            _assert_equal(a, b, f"{where}.{number}")
    else:
        assert one == other, where


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "batch"),
    [
        pytest.param(WARM, 5, id="in the warm-up"),
        pytest.param(CYCLE, 5, id="in one cycle"),
        pytest.param(EMA, 11, id="within an epoch of EMA"),
        pytest.param(SOME, 2, id="before an EMA of some steps starts"),
        pytest.param(SWA, 19, id="within an epoch of SWA"),
        pytest.param(GRADUAL, 11, id="within an epoch of thawing"),
        pytest.param(ACCUMULATED, 10, id="between two accumulated batches"),
        pytest.param([*WARM, *EMA, *GRADUAL, *LAYERS, *ACCUMULATED], 12, id="in all of it"),
    ],
)
def test_a_stopped_training_goes_on_to_the_bit(
    tmp_path: Path, overrides: list[str], batch: int
) -> None:
    chosen = ["data.batch_size=16", *overrides]
    fitted(tmp_path / "whole", chosen, 3)
    stopped(tmp_path / "parts", chosen, 3, batch)
    middle = last_of(tmp_path / "parts")
    fitted(tmp_path / "parts", chosen, 3, resume=True)
    one, other = last_of(tmp_path / "whole"), last_of(tmp_path / "parts")
    assert middle["global_step"] < one["global_step"]
    for part in ("state_dict", RAW, "averaging_state", "optimizer_states", "lr_schedulers"):
        _assert_equal(one.get(part), other.get(part), part)
