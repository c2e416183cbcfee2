"""Whether schedule and average of the weights fit a training, and what it goes on from."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, WeightAveraging
from lightning.pytorch.strategies import FSDPStrategy
from torch.optim.lr_scheduler import SequentialLR

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import CheckpointError, ConfigError
from multihead.runs.checks import made_scheduler, spare_groups
from multihead.training.averaging import WeightAverage
from multihead.training.checkpoints import RAW
from multihead.training.module import MultiheadLitModule


def check_averaging(
    callbacks: Sequence[Callback],
    trainer: pl.Trainer,
    data: MultiheadDataModule,
    path: str | None,
    held: Mapping[str, Any],
) -> None:
    """Check that averaged weights can be had, and that a training goes on with or without them.

    Args:
        callbacks: Of the configuration.
        trainer: Says how long to train, and how parameters are divided.
        data: What is trained on.
        path: A checkpoint to go on from, if any.
        held: What it holds.

    Raises:
        ConfigError: If averaging starts after the training, or the parameters are divided.
        CheckpointError: If the checkpoint has an average and nothing would go on with it.
    """
    averages = [c for c in callbacks if isinstance(c, WeightAveraging)]
    if averages and isinstance(trainer.strategy, FSDPStrategy):
        raise ConfigError(
            "trainer.strategy is fsdp, which divides parameters so that their average cannot be "
            "taken; use trainer=ddp, or callbacks=default."
        )
    if len(averages) > 1:
        raise ConfigError("two callbacks average weights; keep one of them.")
    for callback in averages:
        if isinstance(callback, WeightAverage):
            callback.plan_for(trainer, data.count_train_batches())
    if path is not None and not averages and RAW in held:
        raise CheckpointError(
            f"{path} holds an average of weights beside those that train; go on with the callback "
            f"that took it, such as callbacks=ema."
        )


def check_schedule_goes_on(
    path: str,
    held: Mapping[str, Any],
    module: MultiheadLitModule,
    trainer: pl.Trainer,
    data: MultiheadDataModule,
) -> None:
    """Refuse to go on from a checkpoint with another schedule, or longer than its schedule is.

    Args:
        path: The checkpoint, for messages.
        held: What it holds.
        module: Has the optimizer and the scheduler of the training.
        trainer: Says how long to train.
        data: What is trained on.

    Raises:
        CheckpointError: Naming what differs.
    """
    if module.optimization.scheduler is None:
        return
    now = made_scheduler(module, module.optimization.made(spare_groups(module)), trainer, data)
    for state in held["lr_schedulers"]:
        then, steps = state.get("total_steps"), getattr(now, "total_steps", None)
        if (then is None) != (steps is None) or ("_schedulers" in state) != isinstance(
            now, SequentialLR
        ):
            raise CheckpointError(
                f"{path} holds the state of another scheduler than {type(now).__name__}; choose "
                f"the one it was trained with."
            )
        if then is not None and then < steps:
            raise CheckpointError(
                f"the schedule of {path} ends after {then} steps, and the training now has "
                f"{steps}; leave trainer.max_epochs and data.batch_size as they were."
            )
