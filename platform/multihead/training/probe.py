"""Base class of callbacks that measure some training batches and log the result once an epoch."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from multihead.balancing.balancer import Balancer
from multihead.errors import ConfigError
from multihead.training.module import MultiheadLitModule


class Probe(Callback):
    """Sum up measurements of batches, and make rows of values from them for each epoch.

    Sums and rows are saved with each checkpoint, so a resumed training has the values of every
    epoch.

    Args:
        every: Batches from one measurement to the next, 1 or more.

    Attributes:
        name: Name of the callback in a configuration.
        history: The rows of all epochs so far.

    Raises:
        ConfigError: If `every` is below 1.
    """

    name: ClassVar[str]

    def __init__(self, every: int) -> None:
        if every < 1:
            raise ConfigError(f"callbacks.{self.name}.every is {every}; give 1 or more batches.")
        self.every = every
        self.history: list[dict[str, Any]] = []
        self._sums: dict[str, Tensor] = {}
        self._trains = True

    @abstractmethod
    def rows(self, heads: list[str], epoch: int) -> list[dict[str, Any]]:
        """Return the rows of an epoch, computed from the sums.

        Args:
            heads: The names of the heads, in order.
            epoch: Counted from 0.
        """

    @abstractmethod
    def metrics(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        """Return the metrics to log for an epoch's rows."""

    def is_due(self, trainer: pl.Trainer) -> bool:
        """Return whether the current batch is to be measured."""
        return bool(trainer.fit_loop.total_batch_idx % self.every == 0)

    def add(self, key: str, found: Tensor) -> None:
        """Add the values of a batch to a sum."""
        old = self._sums.get(key)
        self._sums[key] = found if old is None else old.to(found) + found

    def state_dict(self) -> dict[str, Any]:
        """Return the rows of the epochs so far, and the sums of the current one."""
        sums = {key: values.cpu() for key, values in self._sums.items()}
        return {"history": self.history, "sums": sums}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the value of `state_dict`."""
        if self._trains:  # a test with best.ckpt would replace the rows by those of its epoch
            self.history = [dict(row) for row in state_dict["history"]]
            self._sums = dict(state_dict["sums"])

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Store whether a checkpoint is loaded for training, and not for a test."""
        self._trains = stage == "fit"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's values and reset the sums."""
        rows = self.rows(list(self.ours(pl_module).heads or ()), trainer.current_epoch)
        self._sums = {}
        self.history += rows
        # Not `self.log`: these values should not decide when to stop or which weights to keep.
        if trainer.logger is not None:
            trainer.logger.log_metrics(self.metrics(rows), trainer.global_step)

    def ours(self, module: pl.LightningModule) -> MultiheadLitModule:
        """Return the module as a `MultiheadLitModule`.

        Raises:
            ConfigError: If it is another module.
        """
        if not isinstance(module, MultiheadLitModule):
            raise ConfigError(
                f"callbacks.{self.name} works with a MultiheadLitModule only, not with a "
                f"{type(module).__name__}."
            )
        return module


def asks_for_gradients(balancer: Balancer, callbacks: Iterable[Callback]) -> list[str]:
    """Return the settings that need the gradients of each head, callbacks in their order.

    Args:
        balancer: The run's balancer.
        callbacks: All callbacks of the run.
    """
    probes = [f"callbacks.{c.name}" for c in callbacks if isinstance(c, Probe)]
    return ["model.balancer"] * balancer.needs_gramian + probes
