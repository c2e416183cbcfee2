"""Whether the heads' gradients conflict on what they share, looked at now and then."""

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
    """Log the cosine and the ratio of lengths of each pair of heads' gradients, once an epoch.

    `gradients/<a>_<b>_cosine` is below 0 where a step for one head undoes what the other needs, and
    `gradients/<a>_<b>_ratio` is the length of a's gradient over that of b's. They are those of the
    losses times their static weights, on the shared parameters, as means over the batches that were
    looked at; the ratio as a geometric mean. A batch in which one of a pair has no label, or no
    gradient, does not count for it. A look costs one backward pass per head: with 3 heads and one
    look in 100 batches, 1 to 2% of a training. Without the callback nothing is computed.

    Args:
        every: Batches from one look to the next, 1 or more. An epoch without a look has no figures.
        stages: Whether to look at each stage of the backbone as well, as
            `gradients/<stage>/<a>_<b>_cosine`; `models.stages` says what a stage is.

    Attributes:
        history: A row per pair, epoch and stage: epoch, stage, a, b, cosine, ratio.

    Raises:
        ConfigError: For another `every`.
    """

    name = "conflict"

    def __init__(self, every: int = 100, stages: bool = False) -> None:
        super().__init__(every)
        self.stages = stages

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the losses of each batch that is due."""
        module = self.ours(pl_module)
        if module.balancer.is_alone:
            return

        def look(losses: Tensor, present: Tensor) -> None:
            if self.is_due(trainer):
                self.look(module, losses, present)

        keep_compiled_graphs()
        module.probe = look

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look no more."""
        self.ours(pl_module).probe = None

    def table(self) -> pd.DataFrame:
        """Return the history as a table."""
        return pd.DataFrame(self.history, columns=list(COLUMNS))

    def look(self, module: MultiheadLitModule, losses: Tensor, present: Tensor) -> None:
        """Add one batch to the sums.

        Args:
            module: Of which the gradients are.
            losses: With gradient, [T]; their graph is still there afterwards.
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
        """Return the shared parameters by stage of the backbone; others together."""
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
        """Return a row per stage and pair of heads that was looked at."""
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

    A gradient of 0, or one that is not finite, has no direction; its pairs do not count.

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
