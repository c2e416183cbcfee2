"""Report a trial's objectives while it trains, and stop or pause its training."""

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.training.interrupts import RunPaused

# Takes the step (epochs trained) and the values; returns why the trial must stop, or None.
Report = Callable[[int, list[float]], str | None]


class Reporter(Callback):
    """Report the objectives after every validation, before the epoch's checkpoint is written.

    So a training that resumes from that checkpoint has reported every epoch before it.

    Args:
        metrics: Names of the objectives.
        report: Called with step and values; None if they are not reported.
        tick: Called at every batch with the progress, to show that the training is alive.
        pause_after: Number of epochs after which the training pauses with a checkpoint; never if
            None.

    Attributes:
        pruned: Why the training was stopped, or None.
    """

    def __init__(
        self,
        metrics: list[str],
        report: Report | None,
        tick: Callable[[str], None],
        pause_after: int | None = None,
    ) -> None:
        self.pause_after = pause_after
        self.metrics, self.report, self.tick = metrics, report, tick
        self.pruned: str | None = None
        self._validated = False
        self._said = ""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Pause before this epoch, after the checkpoint of the last one is written.

        Raises:
            RunPaused: If `pause_after` epochs are done.
        """
        if self.pause_after is not None and trainer.current_epoch >= self.pause_after:
            raise RunPaused(f"waits for epoch {self.pause_after} of the other trials")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Report progress of the training."""
        self.tick(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{self._said}")

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Report progress of the validation."""
        self.tick(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{self._said}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that this epoch has new validation metrics."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the objectives, and stop the training if the trial is pruned."""
        if not self._validated:
            return
        self._validated = False
        values = [float(trainer.callback_metrics[metric]) for metric in self.metrics]
        self._said = "  " + "  ".join(
            f"{m} {v:.4f}" for m, v in zip(self.metrics, values, strict=True)
        )
        step = trainer.current_epoch + 1
        if self.report is None or not all(map(math.isfinite, values)):
            return
        self.pruned = self.report(step, values)
        if self.pruned is not None:
            trainer.fit_loop.min_epochs = 0  # otherwise Lightning trains on to min_epochs
            trainer.should_stop = True
