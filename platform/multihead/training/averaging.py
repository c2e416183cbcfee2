"""Average the weights during training, and use the average for validation and checkpoints.

A checkpoint's `state_dict` has the average. So the validated network is the one that is tested,
served and exported. The checkpoint also has the weights that train, for a resumed training.
"""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from multihead.errors import ConfigError
from multihead.training.schedules import Length, planned_length


class WeightAverage(WeightAveraging):
    """Average the weights exponentially or equally; based on Lightning's `WeightAveraging`.

    Floating-point buffers, such as the statistics of batch norm, are averaged like weights; integer
    buffers are copied. Before the averaging starts, the weights that train are validated and saved.

    Sources: exponential, Polyak & Juditsky, Acceleration of stochastic approximation by averaging,
    SIAM J. Control Optim. 30(4), 1992, in the form of Tarvainen & Valpola, Mean teachers, NeurIPS
    2017, arXiv:1703.01780; equal, Izmailov et al., Averaging weights leads to wider optima, UAI
    2018, arXiv:1803.05407, who recompute the statistics of batch norm instead.

    Args:
        decay: Share of the average that an update keeps, above 0 and below 1. With null, all
            weights count equally (SWA).
        warmup: Use the smaller share (1 + n) / (10 + n) at update n, until it reaches `decay`.
        interval: `step` or `epoch`: the unit of `every` and `start`, where a step is one of the
            optimizer. With `epoch`, the average is updated before the validation.
        every: Steps or epochs from one update to the next, 1 or more.
        start: Steps or epochs before the averaging starts, 0 or more. With null,
            `start_fraction` is used.
        start_fraction: Share of the training before the averaging starts, 0 to below 1.

    Raises:
        ConfigError: For a value outside these ranges.
    """

    def __init__(
        self,
        decay: float | None = 0.999,
        warmup: bool = True,
        interval: str = "step",
        every: int = 1,
        start: int | None = None,
        start_fraction: float = 0.0,
    ) -> None:
        if interval not in ("step", "epoch"):
            raise ConfigError(f"interval is {interval!r}; choose one of {['step', 'epoch']}.")
        for name, value, fits, allowed in (
            ("decay", decay, decay is None or 0 < decay < 1, "a number above 0 and below 1"),
            ("every", every, every >= 1, "1 or more"),
            ("start", start, start is None or start >= 0, "0 or more"),
            ("start_fraction", start_fraction, 0 <= start_fraction < 1, "0 to below 1"),
        ):
            if not fits:
                raise ConfigError(f"the {name} of averaged weights is {value}; give {allowed}.")
        super().__init__(multi_avg_fn=self._move)
        self.decay, self.warmup, self.interval, self.every = decay, warmup, interval, every
        self.start, self.start_fraction = start, start_fraction
        self._first = start or 0
        self._epoch: int | None = None  # the epoch that has just ended

    def plan(self, length: Length | None) -> None:
        """Compute when the averaging starts.

        Args:
            length: Length of the training, in units of `interval`, or None if it is not known.

        Raises:
            ConfigError: If `start` is not before the end of the training, or if `start_fraction` is
                given and the length is not known.
        """
        if self.start is not None:
            self._first = self.start
            if length is not None and self.start >= length.moves:
                raise ConfigError(
                    f"weight averaging starts after {self.start} {self.interval}s, but the "
                    f"training has only {length.moves}; give a smaller start."
                )
        elif self.start_fraction:
            if length is None:
                raise ConfigError(
                    "start_fraction of the weight averaging needs the length of the training, "
                    "which is not known; set trainer.max_epochs, or use start instead."
                )
            self._first = int(self.start_fraction * length.moves)

    def plan_for(self, trainer: pl.Trainer, batches: int) -> None:
        """Compute when the averaging starts, from the batches of an epoch; see `plan`."""
        self.plan(planned_length(trainer, self.interval, batches))

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Return whether the average is updated after this step.

        With `interval="epoch"`, it is updated at the last step of an epoch.
        """
        if step_idx is None or (self.interval == "epoch" and self._epoch is None):
            return False
        done = step_idx + 1 if self._epoch is None or self.interval == "step" else self._epoch + 1
        return done > self._first and (done - self._first) % self.every == 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Make the average at the start of a training."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            self.plan_for(trainer, pl_module.count_train_batches())  # type: ignore[operator]

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Update the average if it is due."""
        ends = trainer.is_last_batch or trainer.global_step >= trainer.max_steps >= 1
        self._epoch = trainer.current_epoch if ends else None
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """During training, validate the average instead of the weights that train."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._follow(pl_module)
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """During training, switch back to the weights that train."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the average in the network."""
        self._follow(pl_module)
        super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average as `state_dict`, and the weights that train under a second key."""
        self._follow(pl_module)
        super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the average and the weights that train, if the training is resumed."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    @torch.no_grad()
    def _follow(self, module: pl.LightningModule) -> None:
        """Copy the weights that train into the average, until its first update."""
        average = self._average_model
        if average is None or int(average.n_averaged):
            return
        for mine, theirs in (
            *zip(average.module.parameters(), module.parameters(), strict=True),
            *zip(average.module.buffers(), module.buffers(), strict=True),
        ):
            mine.copy_(theirs)

    def _move(self, average: list[Tensor], weights: list[Tensor], updates: Tensor | int) -> None:
        """Move averages towards weights; where both are equal, no bit changes."""
        with torch.no_grad():
            if average[0].is_floating_point():
                torch._foreach_lerp_(average, weights, self.share(int(updates)))
            else:
                torch._foreach_copy_(average, weights)

    def share(self, updates: int) -> float:
        """Return the share of the current weights in the average at an update; updates >= 1."""
        if self.decay is None:
            return 1 / (updates + 1)
        rising = (1 + updates) / (10 + updates) if self.warmup else 1.0
        return 1 - min(self.decay, rising)
