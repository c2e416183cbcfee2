"""Measure on some training batches whether the heads' gradients conflict."""

from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from multihead.balancing.gradients import HeadGradients, keep_compiled_graphs
from multihead.models.network import MultiheadNetwork
from multihead.models.stages import stages_of
from multihead.training.module import MultiheadLitModule
from multihead.training.probe import Probe

COLUMNS = ("epoch", "stage", "a", "b", "cosine", "ratio")
WHOLE = "backbone"
_SMALL = 1e-300


class GradientConflict(Probe):
    """Log the cosine and the norm ratio of each pair of heads' gradients, once an epoch.

    `gradients/<a>_<b>_cosine` is below 0 if a step for one head increases the loss of the other.
    `gradients/<a>_<b>_ratio` is the norm of a's gradient divided by that of b's. The gradients are
    those of the losses times their static weights, on the shared parameters. The logged values are
    means over the measured batches; for the ratio, the geometric mean. A pair is skipped in a batch
    in which one of the two has no label or no gradient. A measurement costs one backward pass per
    head: with 3 heads and one measurement in 100 batches, 1 to 2% of a training's time.

    Args:
        every: Batches from one measurement to the next, 1 or more. An epoch without a measurement
            has no values.
        stages: Also log each stage of the backbone, as `gradients/<stage>/<a>_<b>_cosine`; see
            `models.stages` for the stages.

    Attributes:
        history: A row per pair, epoch and stage: epoch, stage, a, b, cosine, ratio.

    Raises:
        ConfigError: If `every` is below 1.
    """

    name = "conflict"

    def __init__(self, every: int = 100, stages: bool = False) -> None:
        super().__init__(every)
        self.stages = stages

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the module's probe, which measures each batch that is due."""
        module = self.ours(pl_module)
        if module.balancer.is_alone:
            return

        def look(losses: Tensor, present: Tensor) -> None:
            if self.is_due(trainer):
                self.look(module, losses, present)

        keep_compiled_graphs()
        module.probe = look

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the module's probe."""
        self.ours(pl_module).probe = None

    def table(self) -> pd.DataFrame:
        """Return the history as a table."""
        return pd.DataFrame(self.history, columns=list(COLUMNS))

    def look(self, module: MultiheadLitModule, losses: Tensor, present: Tensor) -> None:
        """Add one batch to the sums.

        Args:
            module: Has the parameters.
            losses: With gradient, [T]; their graph is kept.
            present: Which heads have a label in this batch, bool [T].
        """
        groups = self._stages(module)
        shared = [p for _, parameters in groups for p in parameters]
        if not shared:
            return
        weighted = losses * module.balancer.base
        gradients = HeadGradients(weighted, shared, [[]] * len(losses), keep=True)
        rows = module.gathering.averaged(gradients.rows).double()
        seen = present & (module.balancer.base > 0)
        self.add(WHOLE, _compared(rows, seen))
        if self.stages:
            widths = [sum(p.numel() for p in parameters) for _, parameters in groups]
            for (stage, _), part in zip(groups, torch.split(rows, widths, 1), strict=True):
                if part.numel():
                    self.add(f"{stage}_stage" if stage == WHOLE else stage, _compared(part, seen))

    def _stages(self, module: MultiheadLitModule) -> list[tuple[str, list[nn.Parameter]]]:
        """Return the shared parameters by stage of the backbone, and all others as `others`."""
        shared = module.shared_parameters()
        if not self.stages:
            return [(WHOLE, shared)]
        left = {id(p) for p in shared}
        found = []
        for name, parameters in stages_of(cast(MultiheadNetwork, module.net).backbone).items():
            found.append((name, [p for p in parameters if id(p) in left]))
            left -= {id(p) for p in parameters}
        return [*found, ("others", [p for p in shared if id(p) in left])]

    def rows(self, heads: list[str], epoch: int) -> list[dict[str, Any]]:
        """Return a row per stage and pair of heads that was measured."""
        found = []
        for stage, sums in self._sums.items():
            count, cosines, ratios = sums.cpu().numpy()
            for i, j in zip(*np.triu_indices(len(heads), 1), strict=True):
                if count[i, j]:
                    cosine, ratio = cosines[i, j] / count[i, j], ratios[i, j] / count[i, j]
                    pair = {"epoch": epoch, "stage": stage, "a": heads[i], "b": heads[j]}
                    found.append({**pair, "cosine": float(cosine), "ratio": float(np.exp(ratio))})
        return found

    def metrics(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        """Return the cosine and the ratio of each row."""
        found: dict[str, float] = {}
        for row in rows:
            stage = "" if row["stage"] == WHOLE else f"{row['stage']}/"
            pair = f"gradients/{stage}{row['a']}_{row['b']}"
            found |= {f"{pair}_cosine": row["cosine"], f"{pair}_ratio": row["ratio"]}
        return found


def _compared(rows: Tensor, seen: Tensor) -> Tensor:
    """Return which pairs of gradients count, their cosines and logarithms of ratios, [3, T, T].

    Pairs with a gradient that is 0 or not finite do not count, because it has no direction.

    Args:
        rows: Gradients, float64 [T, P].
        seen: Which heads have a label and a weight, bool [T].
    """
    gram = rows @ rows.T
    squares = gram.diagonal()
    used = seen & squares.isfinite() & (squares > 0)
    pairs = used.unsqueeze(1) & used
    lengths = squares.clamp(min=_SMALL).sqrt()
    cosines, ratios = gram / lengths.outer(lengths), lengths.log().unsqueeze(1) - lengths.log()
    return torch.stack([pairs.double(), cosines.where(pairs, 0), ratios.where(pairs, 0)])
