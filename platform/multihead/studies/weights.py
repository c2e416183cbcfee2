"""Search the loss weights of K heads with K - 1 parameters, since their sum is fixed.

A common factor of all weights acts like a second learning rate. Both forms here therefore fix the
sum of the weights. The sum is that of the base's weights, so the base is a point of the space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multihead.errors import ConfigError

_EDGE = 1e-9


def simplex_weights(coordinates: Sequence[float], total: float) -> list[float]:
    """Map points of the unit cube to weights by stick breaking.

    Head i takes the share 1 - (1 - u_i)^(1 / (K - 1 - i)) of what the heads before it left. This
    share is the u_i-quantile of Beta(1, K - 1 - i). So uniform points of the cube give uniform
    weights on the simplex, in any order of the heads.
    Source: Devroye, Non-Uniform Random Variate Generation, 1986, XI.4.

    Args:
        coordinates: The points u, [K - 1], each 0 to 1.
        total: The sum of the weights.

    Returns:
        Weights [K], each 0 or more.
    """
    weights, left, rest = [], total, len(coordinates)
    for index, u in enumerate(coordinates):
        taken = left * (1 - (1 - u) ** (1 / (rest - index)))
        weights.append(taken)
        left -= taken
    return [*weights, left]


def simplex_coordinates(weights: Sequence[float]) -> list[float]:
    """Return the point of the cube [K - 1] that `simplex_weights` maps onto these weights."""
    coordinates, left, rest = [], sum(weights), len(weights) - 1
    for index, weight in enumerate(weights[:-1]):
        share = min(1.0, weight / left) if left > _EDGE else 0.0
        coordinates.append(1 - (1 - share) ** (rest - index))
        left -= weight
    return coordinates


def ratio_weights(reference: str, ratios: Mapping[str, float], total: float) -> dict[str, float]:
    """Return weights by head, with these ratios to the reference head's weight and this sum."""
    relative = {reference: 1.0, **ratios}
    scale = total / sum(relative.values())
    return {name: value * scale for name, value in relative.items()}


def check_heads(names: Sequence[str], heads: Sequence[str]) -> None:
    """Check that weights are searched for two or more heads of the base, each named once.

    Raises:
        ConfigError: Otherwise. The message names the heads.
    """
    for name in names:
        if name not in heads:
            raise ConfigError(
                f"space.loss_weights names head {name!r}, but the base has {list(heads)}."
            )
    if len(set(names)) != len(names) or len(names) < 2:
        raise ConfigError(
            f"space.loss_weights has the heads {list(names)}; name two or more heads, each once."
        )


@dataclass(frozen=True)
class Weights:
    """How parameters become loss weights, in exactly one of two forms.

    Attributes:
        simplex: Heads of the simplex form; empty in the form of ratios.
        reference: The head that the ratios refer to; None in the simplex form.
        total: The sum of the weights.
    """

    simplex: tuple[str, ...]
    reference: str | None
    total: float

    def of(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the weight of each head for a trial's parameters."""
        if self.reference is None:
            cube = [params[f"simplex.{name}"] for name in self.simplex[:-1]]
            return dict(zip(self.simplex, simplex_weights(cube, self.total), strict=True))
        ratios = {n.removeprefix("ratio."): v for n, v in params.items() if n.startswith("ratio.")}
        return ratio_weights(self.reference, ratios, self.total)
