"""Check that the scheduler and the weight averaging fit a training and its checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, StochasticWeightAveraging, WeightAveraging
from lightning.pytorch.strategies import FSDPStrategy
from torch.optim.lr_scheduler import SequentialLR

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import CheckpointError, ConfigError
from multihead.runs.checks import made_scheduler, spare_groups
from multihead.training.averaging import WeightAverage
from multihead.training.checkpoints import RAW, RECORD
from multihead.training.module import SETTINGS, MultiheadLitModule
from multihead.training.optimization import plain_values

# Arguments of schedulers that are derived from the length of the training, beside total_steps.
_LENGTHS = ("T_max", "step_size", "T_0", "total_iters")


def check_averaging(
    callbacks: Sequence[Callback],
    trainer: pl.Trainer,
    data: MultiheadDataModule,
    path: str | None,
    held: Mapping[str, Any],
) -> None:
    """Check that the weights can be averaged, and that a checkpoint's average is resumed.

    Args:
        callbacks: The callbacks of the configuration.
        trainer: Has the length of the training, and the strategy.
        data: The training data.
        path: The checkpoint to resume from, or None.
        held: The content of the checkpoint.

    Raises:
        ConfigError: If averaging starts after the training, if there are two such callbacks, or
            under fsdp.
        CheckpointError: If the checkpoint has an average, but no callback averages weights.
    """
    averages = [c for c in callbacks if isinstance(c, WeightAveraging)]
    if averages and isinstance(trainer.strategy, FSDPStrategy):
        raise ConfigError(
            "trainer.strategy is fsdp, which shards parameters, so they cannot be averaged; use "
            "trainer=ddp, or callbacks=default."
        )
    lightnings = [c for c in callbacks if isinstance(c, StochasticWeightAveraging)]
    if len(averages) + len(lightnings) > 1:
        raise ConfigError("two callbacks average weights; keep one of them.")
    for callback in averages:
        if isinstance(callback, WeightAverage):
            callback.plan_for(trainer, data.count_batches("train"))
    if path is not None and not averages and RAW in held:
        raise CheckpointError(
            f"{path} has averaged weights, but no callback averages weights now; resume with the "
            f"callback of the run, such as callbacks=ema."
        )


def check_settings_go_on(path: str, held: Mapping[str, Any], module: MultiheadLitModule) -> None:
    """Check that a resumed training has the settings that its checkpoint brings along.

    The states of the optimizer and the scheduler hold their settings, so other ones would have no
    effect. Checkpoints of earlier releases do not name them.

    Args:
        path: The checkpoint, for messages.
        held: The content of the checkpoint.
        module: Has the optimizer and the scheduler of the training.

    Raises:
        CheckpointError: For another setting; the message names the first one.
    """
    recorded = held[RECORD].get(SETTINGS)
    if not isinstance(recorded, Mapping):
        return
    then, now = plain_values(recorded), module.optimizer_settings()
    for key in (*now, *(key for key in then if key not in now)):
        was, wanted = then.get(key), now.get(key)
        if was != wanted:
            raise CheckpointError(
                f"{path} was trained with {key}={_shown(was)} and goes on with it, so "
                f"{key}={_shown(wanted)} would have no effect; leave {key} as it was, or start a "
                f"new training with model.init_from={path}."
            )


def _shown(value: object) -> str:
    return "null" if value is None else f"{value!s:.100}"


def check_schedule_goes_on(
    path: str,
    held: Mapping[str, Any],
    module: MultiheadLitModule,
    trainer: pl.Trainer,
    data: MultiheadDataModule,
) -> None:
    """Check that a resumed training has the checkpoint's scheduler and is not longer than it.

    Args:
        path: The checkpoint, for messages.
        held: The content of the checkpoint.
        module: Has the optimizer and the scheduler of the training.
        trainer: Has the length of the training.
        data: The training data.

    Raises:
        CheckpointError: For another scheduler, or a longer training.
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
                f"{path} has the state of another scheduler than {type(now).__name__}; choose "
                f"the scheduler it was trained with."
            )
        if then is not None and then < steps:
            raise CheckpointError(
                f"the schedule of {path} ends after {then} steps, but the training now has "
                f"{steps}; leave trainer.max_epochs and data.batch_size unchanged."
            )
        for name in _LENGTHS:
            was, needed = state.get(name), getattr(now, name, None)
            if isinstance(was, int) and isinstance(needed, int) and was < needed:
                raise CheckpointError(
                    f"the schedule of {path} was made for a shorter training: its {name} is {was}, "
                    f"but the training now has {needed}; leave trainer.max_epochs and "
                    f"data.batch_size unchanged."
                )
