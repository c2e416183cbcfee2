"""How the learning rate follows the size of a batch.

Sources: `linear`, Goyal et al., Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, section
2.1, who also warm up over the first epochs; `sqrt`, Krizhevsky, One weird trick for parallelizing
convolutional neural networks, 2014, arXiv:1404.5997, section 5, which keeps the variance of a
step.
"""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from multihead.errors import ConfigError

_RULES = ("none", "linear", "sqrt")


class BatchScaling:
    """Multiply a learning rate by (batch / reference), or by its square root.

    Args:
        rule: `none`, `linear` or `sqrt`.
        reference_batch: Images in the batch that the configured rate is meant for, 1 or more;
            needed by all rules but `none`.

    Raises:
        ConfigError: For another rule, or a reference that is missing or out of place.
    """

    def __init__(self, rule: str = "none", reference_batch: int | None = None) -> None:
        if rule not in _RULES:
            raise ConfigError(
                f"model.learning_rate_scaling is {rule!r}; choose one of {list(_RULES)}."
            )
        if (rule == "none") != (reference_batch is None):
            raise ConfigError(
                f"model.learning_rate_scaling is {rule} and model.reference_batch "
                f"{reference_batch}; give a reference batch with linear and sqrt, and with them "
                f"alone."
            )
        if reference_batch is not None and reference_batch < 1:
            raise ConfigError(f"model.reference_batch is {reference_batch}; give 1 or more.")
        self.rule, self.reference_batch = rule, reference_batch

    def factor(self, batch_size: int) -> float:
        """Return what the learning rate is multiplied by for batches of all devices together."""
        if self.reference_batch is None:
            return 1.0
        ratio = batch_size / self.reference_batch
        return ratio if self.rule == "linear" else math.sqrt(ratio)

    def apply(self, optimizer: Optimizer, batch_size: int | None) -> None:
        """Scale the learning rate of every group, before a scheduler takes it as its start.

        Args:
            optimizer: Has the configured learning rates.
            batch_size: Images per batch of all devices together; None if nobody knows.

        Raises:
            ConfigError: If the size is needed and not known.
        """
        if self.rule == "none":
            return
        if batch_size is None:
            raise ConfigError(
                "model.learning_rate_scaling needs the size of a batch, which only a "
                "MultiheadDataModule tells."
            )
        for group in optimizer.param_groups:
            group["lr"] *= self.factor(batch_size)

    def check_scheduler(self, scheduler: LRScheduler | ReduceLROnPlateau) -> None:
        """Refuse a scheduler that would replace the scaled rate by rates of its own.

        Raises:
            ConfigError: Naming the scheduler.
        """
        if self.rule != "none" and isinstance(scheduler, OneCycleLR | CyclicLR):
            raise ConfigError(
                f"model.learning_rate_scaling is {self.rule}, but {type(scheduler).__name__} has "
                f"learning rates of its own; scale those by hand, or choose another scheduler."
            )
