"""Learning-rate schedulers from classes or partials, with defaults for what a bare class lacks.

Defaults for required arguments that were not given:

- `step_size` (StepLR): a third of the epochs, at least 1
- `milestones` (MultiStepLR): half and three quarters of the epochs
- `gamma` (ExponentialLR): 0.95
- `T_max` (CosineAnnealingLR), `total_iters` (PolynomialLR): the epochs
- `T_0` (CosineAnnealingWarmRestarts): a third of the epochs, at least 1
"""

import inspect
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from multihead.errors import ConfigError

Scheduler = LRScheduler | ReduceLROnPlateau


def build_scheduler(
    factory: Callable[..., Scheduler], optimizer: Optimizer, epochs: int
) -> Scheduler:
    """Call a scheduler class or partial, filling required arguments with the defaults above.

    Args:
        factory: Takes the optimizer first.
        optimizer: The optimizer to schedule.
        epochs: Planned epochs of the training, 1 or more.

    Raises:
        ConfigError: If a required argument has no default here.
    """
    parameters = list(inspect.signature(factory).parameters.values())[1:]
    missing = [
        p.name
        for p in parameters
        if p.default is inspect.Parameter.empty
        and p.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]
    defaults = _defaults(max(1, epochs))
    unknown = [name for name in missing if name not in defaults]
    if unknown:
        raise ConfigError(
            f"model.scheduler needs the argument {unknown[0]!r}; set model.scheduler.{unknown[0]}."
        )
    return factory(optimizer, **{name: defaults[name] for name in missing})


def _defaults(epochs: int) -> dict[str, Any]:
    third = max(1, epochs // 3)
    return {
        "step_size": third,
        "milestones": sorted({max(1, epochs // 2), max(1, 3 * epochs // 4)}),
        "gamma": 0.95,
        "T_max": epochs,
        "total_iters": epochs,
        "T_0": third,
    }
