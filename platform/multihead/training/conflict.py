"""Whether the heads' gradients conflict on what they share, looked at now and then."""

from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch._functorch import config as functorch_config

from multihead.balancing.gradients import HeadGradients
from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork
from multihead.training.module import MultiheadLitModule
from multihead.training.stages import stages_of

WHOLE = "backbone"
_SMALL = 1e-30


class GradientConflict(Callback):
    """Log the cosine and the ratio of lengths of each pair of heads' gradients, once an epoch.

    `gradients/<a>_<b>_cosine` is below 0 where a step for one head undoes what the other needs, and
    `gradients/<a>_<b>_ratio` is the length of a's gradient over that of b's. They are those of the
    losses times their static weights, on the shared parameters, as means over the batches that were
    looked at; the ratio as a geometric mean. A batch in which one of a pair has no label does not
    count for it. A look costs one backward pass per head: with 3 heads and one look in 100 batches,
    1 to 2% of a training. Without the callback nothing is computed.

    Args:
        every: Batches from one look to the next, 1 or more. An epoch without a look has no figures.
        stages: Whether to look at each stage of the backbone as well, as
            `gradients/<stage>/<a>_<b>_cosine`; `training.stages` says what a stage is.

    Attributes:
        history: A row per pair, epoch and stage: epoch, stage, a, b, cosine, ratio.

    Raises:
        ConfigError: For another `every`.
    """

    def __init__(self, every: int = 100, stages: bool = False) -> None:
        if every < 1:
            raise ConfigError(f"callbacks.conflict.every is {every}; give 1 or more batches.")
        self.every, self.stages = every, stages
        self.history: list[dict[str, Any]] = []
        self._sums: dict[str, Tensor] = {}
        # A test with best.ckpt gives callbacks the state that they had at that epoch.
        self._whole: list[dict[str, Any]] | None = None

    # Written with each checkpoint, so that a training that goes on has every epoch's figures.
    def state_dict(self) -> dict[str, Any]:
        """Return the epochs so far, and the sums of the present one."""
        sums = {stage: values.cpu() for stage, values in self._sums.items()}
        return {"history": self.history, "sums": sums}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.history = [dict(row) for row in state_dict["history"]]
        self._sums = dict(state_dict["sums"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the losses of each batch that is due."""
        module = _ours(pl_module)
        if len(module.balancer.base) < 2:
            return

        def look(losses: Tensor, present: Tensor) -> None:
            if trainer.fit_loop.total_batch_idx % self.every == 0:
                self.look(module, losses, present)

        # Compiled from now on: one backward pass per head needs the graph more than once.
        functorch_config.donated_buffer = False
        module.probe = look

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's means and start again."""
        rows = self._rows(_ours(pl_module), trainer.current_epoch)
        self._sums = {}
        self.history += rows
        found: dict[str, float] = {}
        for row in rows:
            stage = "" if row["stage"] == WHOLE else f"{row['stage']}/"
            pair = f"gradients/{stage}{row['a']}_{row['b']}"
            found |= {f"{pair}_cosine": row["cosine"], f"{pair}_ratio": row["ratio"]}
        # Past `self.log`: nobody should stop at, or keep the weights of, the least conflict.
        if trainer.logger is not None:
            trainer.logger.log_metrics(found, trainer.global_step)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look no more."""
        _ours(pl_module).probe = None
        self._whole = list(self.history)

    def table(self) -> pd.DataFrame:
        """Return the history as a table."""
        rows = self.history if self._whole is None else self._whole
        return pd.DataFrame(rows, columns=["epoch", "stage", "a", "b", "cosine", "ratio"])

    def look(self, module: MultiheadLitModule, losses: Tensor, present: Tensor) -> None:
        """Add one batch to the sums.

        Args:
            module: Of which the gradients are.
            losses: With gradient, [T]; their graph is still there afterwards.
            present: Which heads have a label in this batch, bool [T].
        """
        groups = self._stages(module)
        shared = [p for _, parameters in groups for p in parameters if p.requires_grad]
        if not shared:
            return
        weighted = losses * module.balancer.base
        gradients = HeadGradients(weighted, shared, [[]] * len(losses), keep=True)
        rows = module.gathering.averaged(gradients.rows).double()
        seen = (present & (module.balancer.base > 0)).double()
        pairs = seen.outer(seen)
        start, grams = 0, {WHOLE: rows @ rows.T}
        for stage, parameters in groups if self.stages else ():
            width = sum(p.numel() for p in parameters if p.requires_grad)
            part = rows[:, start : start + width]
            start += width
            if width:
                grams[stage] = part @ part.T
        for stage, gram in grams.items():
            lengths = gram.diagonal().clamp(min=_SMALL).sqrt()
            cosines = gram / lengths.outer(lengths)
            ratios = lengths.log().unsqueeze(1) - lengths.log()
            found = torch.stack([pairs, cosines * pairs, ratios * pairs])
            old = self._sums.get(stage)
            self._sums[stage] = found if old is None else old.to(found) + found

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

    def _rows(self, module: MultiheadLitModule, epoch: int) -> list[dict[str, Any]]:
        names, rows = list(module.heads or ()), []
        for stage, sums in self._sums.items():
            count, cosines, ratios = sums.cpu().numpy()
            for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
                if count[i, j]:
                    cosine, ratio = cosines[i, j] / count[i, j], ratios[i, j] / count[i, j]
                    pair = {"epoch": epoch, "stage": stage, "a": names[i], "b": names[j]}
                    rows.append({**pair, "cosine": float(cosine), "ratio": float(np.exp(ratio))})
        return rows


def _ours(module: pl.LightningModule) -> MultiheadLitModule:
    if not isinstance(module, MultiheadLitModule):
        raise ConfigError(f"callbacks.conflict cannot look at a {type(module).__name__}.")
    return module
