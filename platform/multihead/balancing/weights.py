"""Check weights by head name, and add the missing ones."""

import math
from collections.abc import Mapping

from multihead.errors import ConfigError
from multihead.heads import Heads


def complete_weights(heads: Heads, weights: Mapping[str, float], what: str) -> list[float]:
    """Return one weight per head in their order; a missing weight is 1.

    Args:
        heads: The heads.
        weights: Weights by head name.
        what: The name of the weights for error messages, such as `loss_weights`.

    Raises:
        ConfigError: For a weight that is negative, not finite or of an unknown head, or if all
            weights are 0.
    """
    for name, weight in weights.items():
        if name not in heads:
            raise ConfigError(
                f"{what} names head {name!r}, but the network has {list(heads)}. "
                f"Remove it, or add the head under data.heads."
            )
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise ConfigError(f"{what}.{name} is {weight!r}; give a number, 0 or more.")
        if not math.isfinite(weight) or weight < 0:
            raise ConfigError(f"{what}.{name} is {weight}; give a finite number, 0 or more.")
    values = [float(weights.get(name, 1.0)) for name in heads]
    if not any(values):
        raise ConfigError(f"{what} are all 0, so nothing would be trained; give one above 0.")
    return values


def positive(value: float, name: str, *, or_zero: bool = False) -> float:
    """Return an argument of a balancer that must be above 0.

    Args:
        value: The value.
        name: The name of the argument.
        or_zero: Allow 0 as well.

    Raises:
        ConfigError: If the value is not finite, or not above 0.
    """
    if (
        isinstance(value, bool)
        or not math.isfinite(value)
        or value < 0
        or (value == 0 and not or_zero)
    ):
        allowed = "0 or more" if or_zero else "above 0"
        raise ConfigError(f"model.balancer.{name} is {value!r}; give a number {allowed}.")
    return float(value)
