"""What looks at a training now and then, and logs what it saw once an epoch."""

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
    """Add up looks at batches, and make a row of figures of them for each epoch.

    Sums and rows are written with each checkpoint, so that a training that goes on has every
    epoch's figures.

    Args:
        every: Batches from one look to the next, 1 or more.

    Attributes:
        name: Of the callback in a configuration.
        history: The rows of all epochs so far.

    Raises:
        ConfigError: For another `every`.
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
        """Return the rows of an epoch, of the sums.

        Args:
            heads: Their names, in order.
            epoch: Counted from 0.
        """

    @abstractmethod
    def metrics(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        """Return what is logged of an epoch's rows."""

    def is_due(self, trainer: pl.Trainer) -> bool:
        """Return whether the present batch is one to look at."""
        return bool(trainer.fit_loop.total_batch_idx % self.every == 0)

    def add(self, key: str, found: Tensor) -> None:
        """Add what was seen of a batch to a sum."""
        old = self._sums.get(key)
        self._sums[key] = found if old is None else old.to(found) + found

    def state_dict(self) -> dict[str, Any]:
        """Return the epochs so far, and the sums of the present one."""
        sums = {key: values.cpu() for key, values in self._sums.items()}
        return {"history": self.history, "sums": sums}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        if self._trains:  # a test with best.ckpt would bring back that epoch
            self.history = [dict(row) for row in state_dict["history"]]
            self._sums = dict(state_dict["sums"])

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Note whether a checkpoint that is loaded now is one to go on from."""
        self._trains = stage == "fit"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's figures and start again."""
        rows = self.rows(list(self.ours(pl_module).heads or ()), trainer.current_epoch)
        self._sums = {}
        self.history += rows
        # Past `self.log`: nobody should stop at, or keep the weights of, the best of such figures.
        if trainer.logger is not None:
            trainer.logger.log_metrics(self.metrics(rows), trainer.global_step)

    def ours(self, module: pl.LightningModule) -> MultiheadLitModule:
        """Return the module that is looked at.

        Raises:
            ConfigError: If it is not ours.
        """
        if not isinstance(module, MultiheadLitModule):
            raise ConfigError(f"callbacks.{self.name} cannot look at a {type(module).__name__}.")
        return module


def asks_for_gradients(balancer: Balancer, callbacks: Iterable[Callback]) -> list[str]:
    """Return the settings that ask for the gradients of each head, in the order of callbacks.

    Args:
        balancer: Of the run.
        callbacks: All of the run's.
    """
    probes = [f"callbacks.{c.name}" for c in callbacks if isinstance(c, Probe)]
    return ["model.balancer"] * balancer.needs_gramian + probes
