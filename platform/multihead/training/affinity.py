"""Which heads help each other, measured during one training: inter-task affinity."""

from typing import Any

import lightning.pytorch as pl
import pandas as pd
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from multihead.errors import ConfigError
from multihead.training.look_ahead import look_ahead
from multihead.training.module import Batch, MultiheadLitModule

COLUMNS = ("epoch", "source", "target", "affinity", "looks")


class TaskAffinity(Callback):
    """Log how a step for one head changes the loss of another, once an epoch.

    `affinity/<i>_to_<j>` is Z = 1 - L_j(after a step on head i's loss alone) / L_j(before), as the
    mean over the batches that were looked at: above 0 where i helps j, below 0 where it harms j.
    The step moves the shared parameters only, by plain gradient descent with the run's present
    learning rate, whatever the run's optimizer. That is the paper's definition; an optimizer's
    momentum, which all heads have made, would hide what one of them does. (The authors' own code
    adds weight decay, which is the same for all heads.) In the step, head i's loss is multiplied by
    its static weight, as in the training. A head without a label in the batch, or with the weight
    0, is left out. Where a loss is almost 0, as with a handful of labels, a ratio may be huge, and
    one batch decide the mean.

    A look leaves the training as it was to the bit. It costs T + 1 forward passes and T backward
    passes for T heads. Without the callback nothing is computed.

    Source: Fifty et al., NeurIPS 2021, arXiv:2109.04617, section 4 (TAG), equation 1.

    Args:
        every: Batches from one look to the next, 1 or more; the authors' code has 10.

    Attributes:
        history: A row per epoch and ordered pair of heads, each with itself among them: `COLUMNS`.

    Raises:
        ConfigError: For another `every`.
    """

    def __init__(self, every: int = 10) -> None:
        if every < 1:
            raise ConfigError(f"callbacks.affinity.every is {every}; give 1 or more batches.")
        self.every = every
        self.history: list[dict[str, Any]] = []
        self._sums: Tensor | None = None  # counts and sums of the epoch, [2, T, T]
        self._trains = True

    # Written with each checkpoint, so that a training that goes on has every epoch's figures.
    def state_dict(self) -> dict[str, Any]:
        """Return the epochs so far, and the sums of the present one."""
        sums = None if self._sums is None else self._sums.cpu()
        return {"history": self.history, "sums": sums}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        if self._trains:  # a test with best.ckpt would bring back that epoch
            self.history = [dict(row) for row in state_dict["history"]]
            self._sums = state_dict["sums"]

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Note whether a checkpoint that is loaded now is one to go on from."""
        self._trains = stage == "fit"

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Look ahead where this batch is due."""
        module = _ours(pl_module)
        if len(module.balancer.base) < 2 or trainer.fit_loop.total_batch_idx % self.every:
            return
        found = look_ahead(trainer, module, batch)
        if found is not None:
            self._sums = found if self._sums is None else self._sums.to(found) + found

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's means and start again."""
        rows = self._rows(list(_ours(pl_module).heads or ()), trainer.current_epoch)
        self._sums = None
        self.history += rows
        # Past `self.log`: nobody should stop at, or keep the weights of, the most affinity.
        if trainer.logger is not None:
            trainer.logger.log_metrics(metrics_of(rows), trainer.global_step)

    def table(self) -> pd.DataFrame:
        """Return the history as a table."""
        return pd.DataFrame(self.history, columns=list(COLUMNS))

    def of_training(self) -> pd.DataFrame:
        """Return the means over all looks of the training: source, target, affinity, looks."""
        table = self.table()
        table["affinity"] *= table["looks"]
        sums = table.groupby(["source", "target"], sort=False)[["affinity", "looks"]].sum()
        return sums.assign(affinity=sums["affinity"] / sums["looks"]).reset_index()

    def _rows(self, names: list[str], epoch: int) -> list[dict[str, Any]]:
        if self._sums is None:
            return []
        counts, sums = self._sums.tolist()
        return [
            {
                **{"epoch": epoch, "source": source, "target": target},
                **{"affinity": sums[i][j] / counts[i][j], "looks": int(counts[i][j])},
            }
            for i, source in enumerate(names)
            for j, target in enumerate(names)
            if counts[i][j]
        ]


def metrics_of(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return what is logged of rows with source, target and affinity: two heads each."""
    pairs = [row for row in rows if row["source"] != row["target"]]
    return {affinity_metric(row["source"], row["target"]): row["affinity"] for row in pairs}


def affinity_metric(source: str, target: str) -> str:
    """Return the name of the metric that tells what a step on one head does to another."""
    return f"affinity/{source}_to_{target}"


def _ours(module: pl.LightningModule) -> MultiheadLitModule:
    if not isinstance(module, MultiheadLitModule):
        raise ConfigError(f"callbacks.affinity cannot look at a {type(module).__name__}.")
    return module
