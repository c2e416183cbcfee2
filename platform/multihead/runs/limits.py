"""Check before a run is recorded that the trainer's settings let it train, validate and test.

Lightning finds some wrong settings only during the run, with messages for programmers. It accepts
others silently: a training without any batch would end as a success.
"""

from collections.abc import Mapping
from typing import Any

from multihead.errors import ConfigError

_LIMITS = {
    "train": ("trained on", "; give 1 or more, or train=false to evaluate"),
    "val": ("validated on", ""),
    "test": ("tested on", "; give 1 or more, or test=false"),
}
_NAMES = {"train": "training", "val": "validation", "test": "test"}
_OURS = {
    "callbacks": "write '+callbacks.NAME={_target_: ...}'",
    "logger": "runs are recorded in the MLflow store of logger.tracking_uri",
    "plugins": "the platform has its own plugins",
}
Trainer = Mapping[str, Any]


def check_limits(trainer: Trainer, batches: Mapping[str, int]) -> None:
    """Check the limits on epochs, steps and batches.

    Args:
        trainer: Lightning's arguments, of checked types.
        batches: The number of batches of each part that will be read.

    Raises:
        ConfigError: If nothing would be done, or if Lightning would fail after the run began.
    """
    if trainer.get("fast_dev_run"):
        return
    for part in ("train", "val"):  # Lightning takes the share of both
        _check_share(trainer, "overfit_batches", part, batches)
    if "train" in batches:
        _check_length(trainer)
        _check_interval(trainer, batches["train"])
    for part, count in batches.items():
        _check_limit(trainer, part, count)


def check_ours(trainer: Trainer) -> None:
    """Check that no argument is set which the platform itself passes to the trainer.

    Raises:
        ConfigError: If one is set; the message says what to use instead.
    """
    for key, instead in _OURS.items():
        if trainer.get(key):
            raise ConfigError(f"trainer.{key} cannot be set; {instead}.")


def why_no_validation(trainer: Trainer) -> str | None:
    """Return the reason why a training never validates, for any data, or None."""
    if trainer.get("limit_val_batches") in (0, 0.0):
        return "trainer.limit_val_batches is 0"
    every, epochs = trainer.get("check_val_every_n_epoch", 1), trainer.get("max_epochs")
    if trainer.get("fast_dev_run") or not isinstance(every, int) or not isinstance(epochs, int):
        return None
    if 0 < epochs < every:
        return f"trainer.check_val_every_n_epoch is {every}, but max_epochs {epochs}"
    return None


def ends_before_validation(trainer: Trainer, batches: int) -> bool:
    """Return whether `max_steps` ends a training before the validation of its first epoch."""
    steps, gathered = trainer.get("max_steps", -1), trainer.get("accumulate_grad_batches") or 1
    if trainer.get("fast_dev_run") or trainer.get("val_check_interval") not in (None, 1.0):
        return False
    return bool(0 < steps < -(-batches // gathered))


def _check_length(trainer: Trainer) -> None:
    epochs, least = trainer.get("max_epochs"), trainer.get("min_epochs")
    steps, time = trainer.get("max_steps", -1), trainer.get("max_time")
    if isinstance(time, int | float):
        raise ConfigError(
            f"trainer.max_time is {time}; write days, hours, minutes and seconds, such as "
            f"'00:01:30:00', or {{minutes: 90}}."
        )
    if steps == 0:
        raise ConfigError("trainer.max_steps is 0; give 1 or more, or train=false to evaluate.")
    if epochs is None and steps == -1 and time is None:
        raise ConfigError(
            "trainer.max_epochs is null, so nothing would end the training; give a number of "
            "epochs, or -1 if early stopping ends it."
        )
    if epochs is not None and least is not None and 0 < epochs < least:
        raise ConfigError(
            f"trainer.min_epochs is {least}, but max_epochs {epochs}; give at most {epochs}."
        )
    clip = trainer.get("gradient_clip_val")
    if clip is not None and not clip >= 0:
        raise ConfigError(
            f"trainer.gradient_clip_val is {clip}, which clips nothing; give a number above 0, or "
            f"null."
        )


def _check_interval(trainer: Trainer, batches: int) -> None:
    interval, every = trainer.get("val_check_interval"), trainer.get("check_val_every_n_epoch", 1)
    if every is not None and every < 1:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch is {every}; give 1 or more, or "
            f"limit_val_batches=0 for no validation."
        )
    if type(interval) is int and every is not None and interval > batches:
        raise ConfigError(
            f"trainer.val_check_interval is {interval}, but an epoch has {batches} batches; "
            f"give at most {batches}."
        )


def _check_limit(trainer: Trainer, part: str, batches: int) -> None:
    key, (done, instead) = f"limit_{part}_batches", _LIMITS[part]
    limit = trainer.get(key)
    if limit is None or isinstance(limit, bool):
        return
    if limit == 0 and instead:
        raise ConfigError(f"trainer.{key} is {limit}, so no batch would be {done}{instead}.")
    _check_share(trainer, key, part, {part: batches})


def _check_share(trainer: Trainer, key: str, part: str, batches: Mapping[str, int]) -> None:
    limit, count = trainer.get(key), batches.get(part, 0)
    if count and isinstance(limit, float) and 0 < limit < 1 and int(limit * count) == 0:
        raise ConfigError(
            f"trainer.{key} is {limit}, which is less than one batch of the {_NAMES[part]} "
            f"({count} in all); give a whole number of batches, such as 1, or a larger share."
        )
