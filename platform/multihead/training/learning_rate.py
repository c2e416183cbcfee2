"""Scale the learning rate with the batch size.

Sources: `linear`, Goyal et al., Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, section
2.1, who also use a warm-up over the first epochs; `sqrt`, Krizhevsky, One weird trick for
parallelizing convolutional neural networks, 2014, arXiv:1404.5997, section 5, which keeps the
variance of a step.
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
        reference_batch: Batch size, in images, for which the configured rate was chosen, 1 or more.
            `linear` and `sqrt` need it, `none` does not allow it.

    Raises:
        ConfigError: For another rule, or a reference batch that is missing, not allowed or below 1.
    """

    def __init__(self, rule: str = "none", reference_batch: int | None = None) -> None:
        if rule not in _RULES:
            raise ConfigError(
                f"model.learning_rate_scaling is {rule!r}; choose one of {list(_RULES)}."
            )
        if (rule == "none") != (reference_batch is None):
            raise ConfigError(
                f"model.learning_rate_scaling is {rule} and model.reference_batch is "
                f"{reference_batch}; set a reference batch for linear and sqrt, and null for none."
            )
        if reference_batch is not None and reference_batch < 1:
            raise ConfigError(f"model.reference_batch is {reference_batch}; give 1 or more.")
        self.rule, self.reference_batch = rule, reference_batch

    def factor(self, batch_size: int) -> float:
        """Return the factor of the learning rate for a batch size of all devices together."""
        if self.reference_batch is None:
            return 1.0
        ratio = batch_size / self.reference_batch
        return ratio if self.rule == "linear" else math.sqrt(ratio)

    def apply(self, optimizer: Optimizer, batch_size: int | None) -> None:
        """Scale the learning rate of every group. Call it before the scheduler is made.

        Args:
            optimizer: Has the configured learning rates.
            batch_size: Images per batch of all devices together; None if it is not known.

        Raises:
            ConfigError: If the batch size is needed but not known.
        """
        if self.rule == "none":
            return
        if batch_size is None:
            raise ConfigError(
                "model.learning_rate_scaling needs the batch size, which is known only with a "
                "MultiheadDataModule; use one, or set model.learning_rate_scaling=none."
            )
        for group in optimizer.param_groups:
            group["lr"] *= self.factor(batch_size)

    def check_scheduler(self, scheduler: LRScheduler | ReduceLROnPlateau) -> None:
        """Check that the scheduler does not replace the scaled learning rate.

        Raises:
            ConfigError: For OneCycleLR and CyclicLR, unless the rule is `none`.
        """
        if self.rule != "none" and isinstance(scheduler, OneCycleLR | CyclicLR):
            raise ConfigError(
                f"model.learning_rate_scaling is {self.rule}, but {type(scheduler).__name__} sets "
                f"its own learning rates; scale those by hand, or choose another scheduler."
            )
