"""Test whether static weights have an effect with a method."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from multihead.balancing.balancer import Balancer
from multihead.heads import Heads

_BATCHES = 200  # enough for learned weights to converge
_LEARNING_RATE = 0.1
_ALIKE = 0.02  # largest difference of equal weights that sum to 1


def ignores_static_weights(make: Callable[[Mapping[str, float]], Balancer], heads: Heads) -> bool:
    """Return whether a method gives shared parameters the same weights for any static weights.

    The method runs with fixed losses and gradients, once with equal and once with unequal static
    weights. A method that is invariant to the scale of a loss ignores static weights. Some methods
    do so in every step, others after their learned weights have converged.

    Args:
        make: Makes the method from static weights by head name.
        heads: Two or more heads.
    """
    names = list(heads)
    skewed = dict(zip(names, [4.0, *[1.0] * (len(names) - 1)], strict=True))
    found = [_settled(make(weights), len(names)) for weights in ({}, skewed)]
    return bool((found[0] - found[1]).abs().max() < _ALIKE)


def _settled(balancer: Balancer, count: int) -> Tensor:
    """Return the mean weights of a method after convergence, with sum 1, [T]."""
    drawn = torch.Generator().manual_seed(0)
    losses = torch.linspace(0.5, 2.0, count)
    rows = torch.randn(count, 8, generator=drawn) + 0.3
    present, gramian = torch.ones(count, dtype=torch.bool), rows @ rows.T
    learned = list(balancer.parameters())
    optimizer = torch.optim.Adam(learned, _LEARNING_RATE) if learned else None
    steps = _BATCHES if learned or _keeps_state(balancer) else 1
    weights = torch.zeros(count)
    for batch in range(steps):
        balancer.batch = batch
        total, found = balancer(
            losses.clone().requires_grad_(), present, gramian if balancer.needs_gramian else None
        )
        if batch >= steps // 2:
            weights += found / found.sum()
        if optimizer is not None:
            optimizer.zero_grad()
            torch.autograd.backward(total)
            optimizer.step()
    return weights / weights.sum()


def _keeps_state(balancer: Balancer) -> bool:
    """Return whether a method has more state in its checkpoint than the last weights."""
    return bool(set(balancer.state_dict()) - {"kept"})
