"""A training that `max_steps` or `max_time` ended within an epoch goes on with that epoch."""

from pathlib import Path

import pytest
import torch
from tests.training.fits import fitted, last_of


@pytest.mark.parametrize("callbacks", ["default", "ema"])
def test_a_training_that_max_steps_cut_goes_on_to_the_bit(tmp_path: Path, callbacks: str) -> None:
    """An epoch has four steps."""
    chosen = [
        f"callbacks={callbacks}",
        "callbacks.early_stopping=null",
        "callbacks.progress=null",
        "model/scheduler=step",
        "+model.scheduler.step_size=1",
    ]
    fitted(tmp_path / "whole", [*chosen, "+trainer.max_steps=10"], 9)
    fitted(tmp_path / "parts", [*chosen, "+trainer.max_steps=6"], 9)
    fitted(tmp_path / "parts", [*chosen, "+trainer.max_steps=10"], 9, resume=True)
    one, other = last_of(tmp_path / "whole"), last_of(tmp_path / "parts")
    assert one["epoch"] == other["epoch"] == 2
    assert one["lr_schedulers"] == other["lr_schedulers"]
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
