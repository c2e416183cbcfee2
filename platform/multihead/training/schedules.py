"""Make learning-rate schedulers from classes or partials, with defaults for missing arguments.

`model.scheduler_interval` decides whether a scheduler moves once an epoch or once a step of the
optimizer. Its defaults are counted in these moves:

- `step_size` (StepLR): a third of the training, at least 1
- `milestones` (MultiStepLR): half and three quarters of the training
- `gamma` (ExponentialLR): 0.95 per epoch
- `T_max` (CosineAnnealingLR), `total_iters`, `total_steps` (OneCycleLR): the whole training
- `T_0` (CosineAnnealingWarmRestarts): a third of the training, at least 1
- `max_lr` (OneCycleLR): the optimizer's learning rates
- `steps_per_epoch`: the moves of an epoch
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, GradientAccumulationScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)

from multihead.errors import ConfigError

Scheduler = LRScheduler | ReduceLROnPlateau


@dataclass(frozen=True)
class Length:
    """How often a scheduler moves.

    Attributes:
        moves: Moves in the whole training, 1 or more.
        per_epoch: Moves in an epoch, 1 or more.
    """

    moves: int
    per_epoch: int = 1


def planned_length(trainer: pl.Trainer, interval: str, batches: int) -> Length | None:
    """Return how often a scheduler will move in a training.

    It is None if neither `max_epochs` nor `max_steps` limits the training. Lightning's
    `estimated_stepping_batches` is not used: it opens the data before a checkpoint is loaded.

    Args:
        trainer: Has the numbers of epochs, steps and accumulated batches.
        interval: `epoch` or `step`.
        batches: Training batches in an epoch, without `limit_train_batches`.
    """
    limit = trainer.limit_train_batches
    limited = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    most_epochs, most_steps = trainer.max_epochs or 0, trainer.max_steps
    if most_epochs < 1 and most_steps < 1:
        return None
    end, left = (most if most >= 1 else math.inf for most in (most_epochs, most_steps))
    by_epoch = accumulates_by_epoch(trainer)
    accumulated = by_epoch.scheduling if by_epoch else {0: trainer.accumulate_grad_batches}
    moves = epochs = 0
    for first, following in pairwise([*sorted(accumulated), math.inf]):
        steps = max(1, math.ceil(limited / accumulated[int(first)]))
        taken = int(min((min(following, end) - first) * steps, left))
        if taken <= 0:
            break
        moves, epochs, left = moves + taken, epochs + math.ceil(taken / steps), left - taken
    if interval == "epoch":
        return Length(epochs)
    return Length(moves, max(1, math.ceil(limited / accumulated[0])))


def accumulates_by_epoch(trainer: pl.Trainer) -> GradientAccumulationScheduler | None:
    """Return the callback that sets the batches per step of the optimizer by epoch, or None."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((c for c in callbacks if isinstance(c, GradientAccumulationScheduler)), None)


class WarmupCosineLR(SequentialLR):
    """Raise the learning rate linearly, then lower it along half a cosine until the end.

    It combines torch's `LinearLR` and `CosineAnnealingLR`. Sources: warm-up, Goyal et al.,
    Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, section 2.2; cosine, Loshchilov &
    Hutter, SGDR, ICLR 2017, arXiv:1608.03983, without restarts.

    Args:
        optimizer: Each group has its learning rate at the end of the warm-up.
        total_steps: Moves in the whole training.
        steps_per_epoch: Moves in an epoch.
        warmup_epochs: Length of the warm-up in epochs, 0 or more, such as 0.5. If it is given,
            `warmup_fraction` is not used.
        warmup_fraction: Length of the warm-up as a share of the training, 0 to below 1.
        start_factor: Factor of the learning rates at the start, above 0 and up to 1.
        eta_min: Learning rate at the end.

    Raises:
        ConfigError: If the warm-up does not end before the training.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        steps_per_epoch: int,
        warmup_epochs: float | None = None,
        warmup_fraction: float = 0.05,
        start_factor: float = 0.01,
        eta_min: float = 0.0,
    ) -> None:
        self.total_steps = total_steps
        if warmup_epochs is None:
            key, value, share = "warmup_fraction", warmup_fraction, warmup_fraction
        else:
            key, value = "warmup_epochs", warmup_epochs
            share = warmup_epochs * steps_per_epoch / total_steps
        if not 0 <= share < 1:
            epochs = total_steps / steps_per_epoch
            raise ConfigError(
                f"model.scheduler.{key} is {value}, but the training has {epochs:g} "
                f"epoch{'s' if epochs != 1 else ''}; the warm-up must end before the training."
            )
        # A warm-up takes at least one move, unless the training has only one.
        least = min(1, total_steps - 1) if share else 0
        warmup = min(max(round(share * total_steps), least), total_steps - 1)
        super().__init__(
            optimizer,
            [
                LinearLR(optimizer, start_factor=start_factor, total_iters=warmup),
                CosineAnnealingLR(optimizer, T_max=total_steps - warmup, eta_min=eta_min),
            ],
            milestones=[warmup],
        )


def build_scheduler(
    factory: Callable[..., Scheduler], optimizer: Optimizer, length: Length | None
) -> Scheduler:
    """Call a scheduler class or partial; missing arguments get the defaults of this module.

    Args:
        factory: Takes the optimizer as its first argument.
        optimizer: The optimizer to schedule.
        length: How often the scheduler will move, or None if it is not known.

    Raises:
        ConfigError: If a required argument has no default, or if the length is not known.
    """
    parameters = dict(list(inspect.signature(factory).parameters.items())[1:])
    missing = [
        name
        for name, p in parameters.items()
        if p.default is inspect.Parameter.empty
        and p.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]
    ends = [parameters[name].default for name in ("total_steps", "epochs") if name in parameters]
    if len(ends) == 2 and ends == [None, None]:  # OneCycleLR takes either
        missing.append("total_steps")
    if not missing:
        return factory(optimizer)
    if length is None:
        raise ConfigError(
            f"model.scheduler needs {missing[0]!r}, which is derived from the length of the "
            f"training; set trainer.max_epochs or trainer.max_steps."
        )
    defaults = _defaults(optimizer, length)
    unknown = [name for name in missing if name not in defaults]
    if unknown:
        raise ConfigError(
            f"model.scheduler needs the argument {unknown[0]!r}; set model.scheduler.{unknown[0]}."
        )
    return factory(optimizer, **{name: defaults[name] for name in missing})


def has_own_rates(factory: Callable[..., Scheduler]) -> bool:
    """Return whether a partial sets learning rates itself, instead of the optimizer's."""
    return bool({"base_lr", "max_lr"} & set(getattr(factory, "keywords", {})))


def _defaults(optimizer: Optimizer, length: Length) -> dict[str, Any]:
    moves = length.moves
    third = max(1, moves // 3)
    return {
        "step_size": third,
        "milestones": sorted({max(1, moves // 2), max(1, 3 * moves // 4)}),
        "gamma": 0.95 ** (1 / length.per_epoch),
        "T_max": moves,
        "total_iters": moves,
        "total_steps": moves,
        "steps_per_epoch": length.per_epoch,
        "T_0": third,
        "max_lr": [float(group["lr"]) for group in optimizer.param_groups],
    }
