"""Weights of classes in a loss, by how often each occurs."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from multihead.errors import ConfigError


def balanced(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return N / (K n_k) for counts n_k [K]: as scikit-learn has it, and 1 where n_k is 0."""
    occur = counts > 0
    weights = np.ones(len(counts))
    weights[occur] = counts.sum() / (occur.sum() * counts[occur])
    return weights


def check_weights(name: str, weights: Sequence[float], count: int) -> None:
    """Refuse weights of a head that are not `count` numbers above 0.

    Raises:
        ConfigError: Saying what is allowed.
    """
    if len(weights) != count or not all(math.isfinite(w) and w > 0 for w in weights):
        raise ConfigError(
            f"model.class_weights.{name} is {list(weights)[:10]}; give balanced, or {count} finite "
            f"numbers above 0."
        )
