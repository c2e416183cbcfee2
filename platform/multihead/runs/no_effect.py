"""Refuse settings of a training that would have no effect, or another one than they say."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    Callback,
    LearningRateFinder,
    StochasticWeightAveraging,
)

from multihead.errors import ConfigError
from multihead.training.module import MultiheadLitModule
from multihead.training.schedules import has_own_rates

_REPLACED = {
    "enable_checkpointing": "callbacks.model_checkpoint writes the checkpoints; null writes none",
    "default_root_dir": "runs are recorded in paths.home",
}
_FINDERS = {BatchSizeFinder: "data.batch_size", LearningRateFinder: "model.optimizer.lr"}


def check_effects(
    trainer: Mapping[str, Any], module: MultiheadLitModule, callbacks: Sequence[Callback]
) -> None:
    """Check that each setting of a new training has its effect.

    Args:
        trainer: Lightning's arguments, of checked types.
        module: Has the scheduler and the learning rates.
        callbacks: The callbacks of the configuration.

    Raises:
        ConfigError: If a setting would have no effect; the message says what to use instead.
    """
    for key, instead in _REPLACED.items():
        if trainer.get(key) is not None:
            raise ConfigError(f"trainer.{key} cannot be set; {instead}.")
    algorithm = trainer.get("gradient_clip_algorithm")
    if algorithm is not None and not trainer.get("gradient_clip_val"):
        raise ConfigError(
            f"trainer.gradient_clip_algorithm is {algorithm}, but no gradient is clipped; set "
            f"trainer.gradient_clip_val, too."
        )
    scheduler = module.optimization.scheduler
    if scheduler and has_own_rates(scheduler) and module.finetuning.scales_rates:
        raise ConfigError(
            "model.scheduler.max_lr (or base_lr) sets the learning rates of all layers, so those "
            "of model.finetune would have no effect; remove one of them."
        )
    for callback in callbacks:
        _check_callback(callback, trainer)


def _check_callback(callback: Callback, trainer: Mapping[str, Any]) -> None:
    for finder, key in _FINDERS.items():
        if isinstance(callback, finder):
            raise ConfigError(
                f"{finder.__name__} would change {key} after it was recorded; set {key}, or search "
                f"it with a study."
            )
    limited = trainer.get("max_steps", -1) > 0 or trainer.get("max_epochs") in (None, -1)
    if isinstance(callback, StochasticWeightAveraging) and limited:
        raise ConfigError(
            "StochasticWeightAveraging uses the average only after the last of trainer.max_epochs; "
            "set max_epochs without max_steps, or use callbacks=swa."
        )
