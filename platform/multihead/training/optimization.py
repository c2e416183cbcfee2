"""Make the optimizer and the scheduler that `model.optimizer` and `model.scheduler` configure."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import BaseFinetuning
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from multihead.errors import ConfigError
from multihead.training.batch_norm import BATCH_NORMS
from multihead.training.finetuning import SCALE
from multihead.training.learning_rate import BatchScaling
from multihead.training.schedules import build_scheduler, planned_length


class Optimization:
    """Make the optimizer (fused where that is possible), and step the scheduler.

    Args:
        optimizer: Called with the parameters.
        scheduler: Called with the optimizer, or None for no scheduler.
        monitor: Metric that a ReduceLROnPlateau watches.
        interval: `epoch` or `step`: how often the scheduler is stepped.
        fused: `auto`, true or false: one kernel for the whole optimizer step.
        scaling: How the learning rate depends on the batch size.

    Raises:
        ConfigError: For another interval or another `fused`.
    """

    def __init__(
        self,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler | ReduceLROnPlateau] | None,
        *,
        monitor: str,
        interval: str,
        fused: bool | str,
        scaling: BatchScaling,
    ) -> None:
        if fused not in ("auto", True, False):
            raise ConfigError(f"model.fused is {fused!r}; choose one of {['auto', True, False]}.")
        if interval not in ("epoch", "step"):
            raise ConfigError(
                f"model.scheduler_interval is {interval!r}; choose one of {['epoch', 'step']}."
            )
        self.optimizer, self.scheduler = optimizer, scheduler
        self.monitor, self.interval, self.fused = monitor, interval, fused
        self.scaling = scaling

    def made(self, groups: list[dict[str, Any]], **options: Any) -> Optimizer:
        """Make the optimizer; a single group is passed as a list of parameters.

        The learning rate of a group is multiplied by its `lr_scale`.
        """
        optimizer = self.optimizer(groups if len(groups) > 1 else groups[0]["params"], **options)
        for group in optimizer.param_groups:
            group["lr"] *= group.pop(SCALE, 1.0)
        return optimizer

    def settings(self) -> dict[str, Any]:
        """Return the classes and the plain arguments of optimizer and scheduler, by their keys."""
        watches = getattr(self.scheduler, "func", self.scheduler) is ReduceLROnPlateau
        return {
            **({"model.scheduler_monitor": self.monitor} if watches else {}),
            **_given("model.optimizer", self.optimizer),
            **_given("model.scheduler", self.scheduler),
        }

    def options(self, trainer: pl.Trainer, device: str) -> dict[str, Any]:
        """Return the arguments of the optimizer beyond those of its configuration.

        Args:
            trainer: Has the precision and the clipping.
            device: Type of the device that trains.
        """
        return {"fused": True} if self._takes_fused(trainer, device) else {}

    def configured(
        self,
        groups: list[dict[str, Any]],
        trainer: pl.Trainer,
        device: str,
        batch_size: int | None,
        batches: Callable[[], int],
    ) -> OptimizerLRScheduler:
        """Return the value for Lightning's `configure_optimizers`.

        Args:
            groups: Groups of parameters, see `parameter_groups`.
            trainer: Has the number of epochs, the precision and the clipping.
            device: Type of the device that trains.
            batch_size: Images per batch, or None if it is not known.
            batches: Returns the number of training batches of an epoch.

        Raises:
            ConfigError: For a fused optimizer where gradients are clipped in mixed precision.
        """
        optimizer = self.made(groups, **self.options(trainer, device))
        self.check_clipping(optimizer, trainer)
        self.scaling.apply(optimizer, batch_size)
        if self.scheduler is None:
            return optimizer
        length = planned_length(trainer, self.interval, batches())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": build_scheduler(self.scheduler, optimizer, length),
                "interval": self.interval,
                "monitor": self.monitor,
                # `end_epoch` steps it. Lightning would require the metric even in an epoch without
                # validation.
                "reduce_on_plateau": False,
            },
        }

    def check_clipping(self, optimizer: Optimizer, trainer: pl.Trainer) -> None:
        """Refuse a fused optimizer where gradients are clipped in mixed precision.

        Raises:
            ConfigError: If both are configured.
        """
        fused = self.fused is True or optimizer.defaults.get("fused")
        if _clips_half(trainer) and fused:
            raise ConfigError(
                f"a fused optimizer cannot clip gradients with trainer.precision="
                f"{trainer.precision}; set model.fused=auto, or remove trainer.gradient_clip_val."
            )

    def end_epoch(self, trainer: pl.Trainer, *, validated: bool) -> None:
        """Step the schedulers that are stepped once an epoch.

        Lightning would step them only after it has written the epoch's checkpoint. After a resume
        it would not step ReduceLROnPlateau at all. So a resumed run would differ.

        Args:
            trainer: Has the schedulers and the metrics.
            validated: Whether a validation ran since the last epoch ended.
        """
        if self.interval != "epoch":
            return
        for config in trainer.lr_scheduler_configs:
            scheduler: Any = config.scheduler
            if not isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step()
            elif validated or not self.monitor.startswith("val/"):
                scheduler.step(trainer.callback_metrics[self.monitor])

    def _takes_fused(self, trainer: pl.Trainer, device: str) -> bool:
        if self.fused != "auto":
            return bool(self.fused)
        chosen = getattr(self.optimizer, "keywords", {})
        takes = "fused" in inspect.signature(self.optimizer).parameters
        set_by_hand = "fused" in chosen or "foreach" in chosen
        fits = device in ("cpu", "cuda") and not _clips_half(trainer)
        return takes and not set_by_hand and fits


def plain_values(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the entries whose values are numbers, texts, null, or lists of these."""

    def is_plain(value: object) -> bool:
        return value is None or isinstance(value, bool | int | float | str)

    return {
        key: value
        for key, value in values.items()
        if is_plain(value) or (isinstance(value, list) and all(map(is_plain, value)))
    }


def _given(key: str, factory: Any) -> dict[str, Any]:
    """Return the name of a class or partial, and its plain arguments."""
    name = getattr(getattr(factory, "func", factory), "__qualname__", None)
    arguments = plain_values(getattr(factory, "keywords", {}))
    return {key: name} | {f"{key}.{argument}": value for argument, value in arguments.items()}


def _clips_half(trainer: pl.Trainer) -> bool:
    """Whether gradients are clipped in mixed precision.

    A fused step unscales the gradients itself, after the clipping. Lightning refuses that.
    """
    return bool(trainer.gradient_clip_val) and str(trainer.precision).endswith("-mixed")


def regroups(trainer: pl.Trainer) -> bool:
    """Return whether a `BaseFinetuning` callback adds parameters to the optimizer later.

    It needs an optimizer without the frozen parameters, and restores their groups on a resume.
    """
    return any(isinstance(c, BaseFinetuning) for c in trainer.callbacks)  # type: ignore[attr-defined]


def thaw_again(module: nn.Module, optimizer: Optimizer) -> None:
    """Unfreeze the parameters that the optimizer has, in a resumed training.

    Lightning's callback freezes them before each training, and unfreezes them only at the start of
    one epoch. Without this function, a training resumed after that epoch would not train them.
    """
    ours = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for part in module.modules():
        if any(id(p) in ours for p in part.parameters(recurse=False)):
            for parameter in part.parameters(recurse=False):
                parameter.requires_grad_(id(parameter) in ours)
            if isinstance(part, BATCH_NORMS):
                part.track_running_stats = True


def parameter_groups(
    module: nn.Module, balancer: nn.Module, *, only_trained: bool = False
) -> list[dict[str, Any]]:
    """Return all parameters of a module in one group, and those of its balancer in a second one.

    The balancer's parameters have no weight decay. There is no second group without them.

    Args:
        module: Has the parameters.
        balancer: The balancer that weights the heads' losses.
        only_trained: Leave out frozen parameters.
    """
    of_balancer = list(balancer.parameters())
    own = {id(parameter) for parameter in of_balancer}
    kept = [p for p in module.parameters() if id(p) not in own]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in kept if p.requires_grad or not only_trained]}
    ]
    return groups + [{"params": of_balancer, "weight_decay": 0.0}] * bool(of_balancer)
