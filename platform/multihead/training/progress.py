"""Show the progress in the terminal: a line per epoch with every head, and the time left."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.metrics.registry import METRICS, judging
from multihead.terminal.drawn import Progress, Screen, progress
from multihead.training.module import MultiheadLitModule

# Drawing holds the interpreter lock for milliseconds and delays the training. So the bar is drawn
# twice a second here, and not by Rich's own thread, which would draw it ten times a second.
_REFRESH_SECONDS = 0.5


class TrainingProgress(Callback):
    """Show epochs, images per second, time left and validation metrics, in a terminal only."""

    def __init__(self) -> None:
        self.screen = Screen(err=True)
        self._bar: Progress | None = None
        self._shown = 0.0
        self._images = 0
        self._epoch_began = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar, counted in batches of all epochs, if this is a terminal."""
        if not self.screen.is_terminal or not trainer.is_global_zero:
            return
        shows = "{task.fields[rate]:>8,.0f} images/s"
        self._bar = progress(self.screen, shows, transient=True, auto_refresh=False)
        epochs = trainer.max_epochs or 0
        total = trainer.num_training_batches * epochs if epochs > 0 else None
        self._task = self._bar.add_task("epoch", total=total, rate=0.0)
        self._bar.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the previous epoch, whose metrics are now complete, and reset the image count."""
        self._print_epoch(trainer, pl_module)
        self._images, self._epoch_began = 0, time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Update the bar, at most twice a second."""
        if self._bar is None:
            return
        self._images += len(batch[0]) * trainer.world_size  # of all devices, approximately
        now = time.monotonic()
        if now - self._shown < _REFRESH_SECONDS:
            return
        self._shown = now
        done = trainer.current_epoch * trainer.num_training_batches + batch_idx + 1
        self._bar.update(
            self._task,
            completed=done,
            description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            rate=self._images / (now - self._epoch_began),
            refresh=True,
        )

    def _print_epoch(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._bar is None or "train/loss" not in trainer.callback_metrics:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        heads = pl_module.heads if isinstance(pl_module, MultiheadLitModule) else None
        parts = _judged(heads or (), metrics)
        parts += [f"train loss {metrics['train/loss']:.4f}", f"lr {metrics['lr']:.2g}"]
        self.screen.print(f"epoch {metrics['epoch'] + 1:3.0f}  " + "  ".join(parts))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the last epoch and close the bar."""
        self._print_epoch(trainer, pl_module)
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, so that the error is printed on its own line."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _judged(heads: Iterable[str], metrics: Mapping[str, float]) -> list[str]:
    """Return the text of each head's main validation metric."""
    found = []
    for head in heads:
        metric = judging([name for name in METRICS if f"val/{head}_{name}" in metrics])
        if metric is not None:
            value = metric.shown(metrics[f"val/{head}_{metric.name}"])
            found.append(f"{head} {metric.short} {value}")
    return found
