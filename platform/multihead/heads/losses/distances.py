"""Distances between predicted and true values, and checks of the losses' arguments."""

import math
from typing import Literal

from torch import Tensor
from torch.nn import functional

from multihead.errors import ConfigError
from multihead.heads.head import Head
from multihead.heads.parameter import Parameter

Distance = Literal["l1", "l2", "huber"]
Measure = Literal["unit", "range"]
DISTANCES = ("l1", "l2", "huber")
MEASURES = ("unit", "range")


def distance_of(
    predicted: Tensor, true: Tensor, distance: Distance, delta: float, reduction: str = "mean"
) -> Tensor:
    """Return a distance of e = predicted - true, both [B]: its mean, or [B] with `none`.

    l1: |e|. l2: e^2. huber: e^2 / 2 where |e| <= delta, else delta * (|e| - delta / 2).
    """
    if distance == "l1":
        return functional.l1_loss(predicted, true, reduction=reduction)
    if distance == "l2":
        return functional.mse_loss(predicted, true, reduction=reduction)
    return functional.huber_loss(predicted, true, delta=delta, reduction=reduction)


def check_choice(loss: str, name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Check that a value is allowed.

    Raises:
        ConfigError: If it is not. It names the allowed values.
    """
    if value not in allowed:
        raise ConfigError(f"{name} of {loss} is {value!r}; choose one of {list(allowed)}.")


def check_number(loss: str, name: str, value: float, *, least: float, open_: bool) -> None:
    """Check that a number is finite and not below `least`, nor equal to it if `open_`.

    Raises:
        ConfigError: If it is. It names the allowed range.
    """
    if not math.isfinite(value) or value < least or (open_ and value == least):
        bound = f"above {least:g}" if open_ else f"{least:g} or more"
        raise ConfigError(f"{name} of {loss} is {value}; it must be finite and {bound}.")


def check_share(loss: str, name: str, value: float) -> None:
    """Check that a number is from 0 to 1.

    Raises:
        ConfigError: If it is not.
    """
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} of {loss} is {value}; it must be from 0 to 1.")


def levels_of(head: Head, loss: str) -> Parameter:
    """Return the parameter of a head with one output per level.

    Raises:
        ConfigError: If the head has no parameter, or is a regression.
    """
    if head.parameter is None or head.outputs != head.num_classes:
        raise ConfigError(
            f"{loss} is for parameters with one output per level, but head {head.name!r} is a "
            f"{head.kind.name}{'' if head.parameter else ' of unordered classes'}; set "
            f"another criterion in model.criteria, or another kind in data.head_kinds."
        )
    return head.parameter
