"""Turn per-head losses into the scalar that is back-propagated.

A balancer sees losses of shape [T] in Heads order: no images, no network, no logger.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads import Heads


class StaticWeights(nn.Module):
    """Weigh heads by fixed numbers: the sum over heads of weight times loss.

    Args:
        heads: Fixes T and the order of the losses.
        weights: By head name; finite and 0 or more. A head without a weight has weight 1.

    Shape:
        losses [T], in nats, to a scalar [].

    Raises:
        ConfigError: For a weight that is negative, not finite or of an unknown head, or if all
            weights are 0.
    """

    weights: Tensor

    def __init__(self, heads: Heads, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        values = complete_weights(heads, weights or {}, "loss_weights")
        self.register_buffer("weights", torch.tensor(values), persistent=False)

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weighted sum of the losses."""
        # No inner product: autocast would do that in 16 bits, and 0.8 would become 0.801.
        return (losses * self.weights).sum()


def complete_weights(heads: Heads, weights: Mapping[str, float], what: str) -> list[float]:
    """Return one weight per head in their order, 1 where none is given.

    Args:
        heads: The heads.
        weights: By head name.
        what: Names the weights in an error, such as `loss_weights`.

    Raises:
        ConfigError: As `StaticWeights` says.
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
