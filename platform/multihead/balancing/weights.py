"""Fixed weights by head name, checked and completed."""

import math
from collections.abc import Mapping

from multihead.errors import ConfigError
from multihead.heads import Heads


def complete_weights(heads: Heads, weights: Mapping[str, float], what: str) -> list[float]:
    """Return one weight per head in their order, 1 where none is given.

    Args:
        heads: The heads.
        weights: By head name.
        what: Names the weights in an error, such as `loss_weights`.

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
            raise ConfigError(f"{what}.{name} is {weight}; weights are finite and 0 or more.")
    values = [float(weights.get(name, 1.0)) for name in heads]
    if not any(values):
        raise ConfigError(f"{what} are all 0, so there is nothing to weigh; give one above 0.")
    return values
