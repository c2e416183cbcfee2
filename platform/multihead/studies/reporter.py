"""What a trial says while it trains, and how it hears that it is to stop."""

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.training.interrupts import RunPaused

# Takes step (epochs trained) and values, and returns why the trial is to stop, or None.
Report = Callable[[int, list[float]], str | None]


class Reporter(Callback):
    """Report the objectives after every validation, before the epoch's checkpoint is written.

    A training that goes on from that checkpoint has then no epoch unreported.

    Args:
        metrics: The objectives.
        report: Told the values; none if nobody wants them.
        tick: Called at every batch: the sign that the training moves.
        pause_after: Epochs after which the training pauses, with their checkpoint; never if None.

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
        """Pause between two epochs, when the last one has its checkpoint.

        Raises:
            RunPaused: If it is time.
        """
        if self.pause_after is not None and trainer.current_epoch >= self.pause_after:
            raise RunPaused(f"waits for epoch {self.pause_after} of the other trials")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Show that the training moves."""
        self.tick(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{self._said}")

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Show that the validation moves."""
        self.tick(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{self._said}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that the metrics are of this epoch."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report, and stop the training if it is told to."""
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
            trainer.fit_loop.min_epochs = 0  # a promise to a training that nobody stops
            trainer.should_stop = True
