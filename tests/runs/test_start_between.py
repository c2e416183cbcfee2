"""A backbone moves from run to run: with other heads, channels and sizes, averaged and frozen."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from multihead.runs.build import Parts, build
from multihead.runs.config import compose_run
from multihead.runs.log_filters import quiet_libraries
from multihead.training.checkpoints import RAW, read_checkpoint

SHAPES = (
    *("experiment=shapes", "data.count=60", "data.test_count=10", "test=false"),
    *("data.batch_size=16", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
    *("trainer.precision=32-true", "callbacks.progress=null", "callbacks.telemetry=null"),
)
COLOUR = ("data.size=16",)
GREY = ("data.size=24", "data.colour=false", "data.only_heads=[shape,filled]")
FIRST = "net.backbone.0.weight"


def _built(*overrides: str) -> Parts:
    return build(compose_run([*SHAPES, *overrides]))


def _trained(folder: Path, *overrides: str) -> dict[str, dict[str, Tensor]]:
    parts = _built(*overrides)
    assert parts.checkpoint is not None
    parts.checkpoint.dirpath = folder
    with quiet_libraries():
        parts.trainer.fit(parts.module, parts.data)
    return read_checkpoint(folder / "last.ckpt")


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(COLOUR, GREY), (GREY, COLOUR)])
def test_it_takes_the_average_to_other_heads_channels_and_sizes_and_freezes(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    before = _trained(tmp_path / "first", *first, "callbacks=ema")
    average = before["state_dict"]
    assert not torch.equal(average[FIRST], before[RAW][FIRST])
    start = [*second, f"model.init_from={tmp_path}/first/last.ckpt", "model/finetune=head_only"]
    begun = _built(*start).module.state_dict()
    channels = begun[FIRST].shape[1]
    summed = average[FIRST].sum(1, keepdim=True)
    torch.testing.assert_close(begun[FIRST], (summed / channels).expand_as(begun[FIRST]))
    after = _trained(tmp_path / "second", *start)["state_dict"]
    backbone = [name for name in begun if name.startswith("net.backbone.")]
    assert len(backbone) == 16
    for name in backbone:
        assert name == FIRST or torch.equal(begun[name], average[name]), name
        assert torch.equal(begun[name], after[name]), name
    assert not torch.equal(
        begun["net.heads.shape_head.weight"], after["net.heads.shape_head.weight"]
    )
