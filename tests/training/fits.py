"""A training of a few small images, without a record."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from tests.conftest import DIGITS

from multihead.runs.build import Parts, build
from multihead.runs.config import compose_run
from multihead.runs.log_filters import quiet_libraries
from multihead.training.checkpoints import read_checkpoint
from multihead.training.interrupts import RunInterrupted

SMALL = (
    *DIGITS,
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "callbacks.early_stopping=null",
    "callbacks.progress=null",
    "callbacks.telemetry=null",
    "test=false",
)


def built(*overrides: str) -> Parts:
    """Return the parts of a training of 128 digits of 8x8 pixels."""
    return build(compose_run([*SMALL, *overrides]))


def fitted(
    folder: Path,
    overrides: Sequence[str],
    epochs: int,
    resume: bool = False,
    further: Callable[[Parts], Sequence[pl.Callback]] = lambda _: (),
) -> Parts:
    """Train, with checkpoints in a folder; from its last one if the training goes on."""
    last = folder / "last.ckpt"
    start = [f"ckpt_path={last}"] if resume else []
    parts = built(*overrides, f"trainer.max_epochs={epochs}", *start)
    assert parts.checkpoint is not None
    parts.checkpoint.dirpath = folder
    parts.trainer.callbacks[:0] = further(parts)  # type: ignore[attr-defined]
    with quiet_libraries():
        parts.trainer.fit(parts.module, parts.data, ckpt_path=last if resume else None)
    return parts


def last_of(folder: Path) -> dict[str, Any]:
    """Return the last checkpoint in a folder."""
    return read_checkpoint(folder / "last.ckpt")


class _StopAt(pl.Callback):
    """Notes a signal in a batch of the training, counted from 1."""

    def __init__(self, parts: Parts, batch: int) -> None:
        self.interrupts, self.left = parts.interrupts, batch

    def on_train_batch_end(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            self.interrupts.received = signal.SIGTERM


def stopped(folder: Path, overrides: Sequence[str], epochs: int, batch: int) -> None:
    """Train until a signal comes in a batch, with `last.ckpt` in a folder."""
    with pytest.raises(RunInterrupted):
        fitted(folder, overrides, epochs, further=lambda parts: [_StopAt(parts, batch)])
