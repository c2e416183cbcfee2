"""Measure during one training which heads help each other: inter-task affinity."""

from typing import Any

import lightning.pytorch as pl
import pandas as pd

from multihead.training.look_ahead import look_ahead
from multihead.training.module import Batch
from multihead.training.probe import Probe

COLUMNS = ("epoch", "source", "target", "affinity", "looks")
_PAIRS = "pairs"  # counts and sums of the epoch, [2, T, T]


class TaskAffinity(Probe):
    """Log how a step on one head's loss changes the loss of another, once an epoch.

    `affinity/<i>_to_<j>` is Z = 1 - L_j(after a step on head i's loss only) / L_j(before), as the
    mean over the measured batches. It is above 0 if i helps j, and below 0 if i harms j.

    The step moves only the shared parameters, by plain gradient descent with the run's current
    learning rate. It does so for every optimizer, as the paper defines it: momentum comes from all
    heads and would hide the effect of one. (The authors' code adds weight decay, which is the same
    for all heads.) In the step, head i's loss is multiplied by its static weight, as in training.
    A head without a label in the batch, or with weight 0, is left out. If a loss is almost 0, for
    example with few labels, a ratio can be huge, and one batch can dominate the mean.

    The measurement does not change the training, not even in the last bit. With T heads it costs
    T + 1 forward passes and T backward passes.

    Source: Fifty et al., NeurIPS 2021, arXiv:2109.04617, section 4 (TAG), equation 1.

    Args:
        every: Batches from one measurement to the next, 1 or more; 10 in the authors' code.

    Attributes:
        history: A row per epoch and ordered pair of heads (also of a head with itself), with the
            keys of `COLUMNS`.

    Raises:
        ConfigError: If `every` is below 1.
    """

    name = "affinity"

    def __init__(self, every: int = 10) -> None:
        super().__init__(every)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Measure this batch if it is due."""
        module = self.ours(pl_module)
        if module.balancer.is_alone or not self.is_due(trainer):
            return
        found = look_ahead(trainer, module, batch)
        if found is not None:
            self.add(_PAIRS, found)

    def table(self) -> pd.DataFrame:
        """Return the history as a table."""
        return pd.DataFrame(self.history, columns=list(COLUMNS))

    def of_training(self) -> pd.DataFrame:
        """Return the means over the whole training: source, target, affinity, looks."""
        table = self.table()
        table["affinity"] *= table["looks"]
        sums = table.groupby(["source", "target"], sort=False)[["affinity", "looks"]].sum()
        return sums.assign(affinity=sums["affinity"] / sums["looks"]).reset_index()

    def rows(self, heads: list[str], epoch: int) -> list[dict[str, Any]]:
        """Return a row per ordered pair of heads that was measured."""
        if _PAIRS not in self._sums:
            return []
        counts, sums = self._sums[_PAIRS].tolist()
        return [
            {
                **{"epoch": epoch, "source": source, "target": target},
                **{"affinity": sums[i][j] / counts[i][j], "looks": int(counts[i][j])},
            }
            for i, source in enumerate(heads)
            for j, target in enumerate(heads)
            if counts[i][j]
        ]

    def metrics(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        """Return a metric per ordered pair of different heads."""
        pairs = [row for row in rows if row["source"] != row["target"]]
        return {affinity_metric(row["source"], row["target"]): row["affinity"] for row in pairs}


def affinity_metric(source: str, target: str) -> str:
    """Return the name of the metric for the effect of `source` on `target`."""
    return f"affinity/{source}_to_{target}"
