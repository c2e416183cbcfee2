"""Gradient Vaccine: turn gradients towards each other, up to their average similarity."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from multihead.balancing.balancer import GramianOf
from multihead.balancing.of_gramian import GramianBalancer
from multihead.errors import ConfigError
from multihead.heads import Heads

_SMALL = 1e-8
_LEAST = 1e-60


class GradVac(GramianBalancer):
    """Turn each head's gradient towards the others until their cosines reach a moving average.

    If a cosine is below its moving average, enough of the other gradient is added to reach it. The
    gradient of all shared parameters is treated as one vector; the paper also treats layers
    separately. The other heads are taken in a random order. The computation uses only coefficients
    of the gradients and the Gramian. The averages of a head without a label in the batch do not
    change. Each head's own parameters learn from its own loss.
    Source: Wang et al., Gradient Vaccine, ICLR 2021, arXiv:2010.05874, algorithm 1.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        beta: Update rate of the averages, 0 to 1. It is 0.01 in the paper, for long trainings on
            many languages, and 0.5 in LibMTL and TorchJD.
        gramian_of: As in `GramianBalancer`.
        every: As in `GramianBalancer`.
        scaled: As in `ScaledBalancer`.

    Raises:
        ConfigError: If `beta` is not from 0 to 1.
    """

    averages: Tensor

    def __init__(
        self,
        heads: Heads,
        weights: Mapping[str, float] | None = None,
        *,
        beta: float = 0.5,
        gramian_of: GramianOf = "shared",
        every: int = 1,
        scaled: bool = True,
    ) -> None:
        super().__init__(heads, weights, gramian_of=gramian_of, every=every, scaled=scaled)
        if not 0 <= beta <= 1:
            raise ConfigError(f"model.balancer.beta is {beta}; give a number from 0 to 1.")
        self.beta = beta
        self.register_buffer("averages", torch.zeros(len(heads), len(heads)))

    def relative(self, losses: Tensor, seen: Tensor, gramian: Tensor | None) -> Tensor:
        """Return the sum of the changed gradients as coefficients of the original ones, [T]."""
        # On the CPU, because each of these few numbers would have to wait for the device.
        given = cast(Tensor, gramian).detach().double().cpu()
        averages = self.averages.double().cpu()
        count = len(losses)
        coefficients = torch.eye(count, dtype=torch.float64)
        there = seen.tolist()
        if not torch.isfinite(given).all():  # an overflow must not change the averages
            return torch.ones_like(losses)
        given = given / given.diagonal().mean().clamp(min=_LEAST)  # so that _SMALL is negligible
        with self.drawing():
            orders = [torch.randperm(count).tolist() for _ in range(count)]
        heads = [index for index in range(count) if there[index]]
        for i in heads:
            for j in (j for j in orders[i] if j != i and there[j]):
                cosine, length = _towards(coefficients[i], given, j)
                goal = averages[i, j].clone()
                averages[i, j] += self.beta * (cosine - goal)
                if cosine < goal:
                    other = given[j, j].sqrt() * (1 - goal**2).sqrt() + _SMALL
                    turn = goal * (1 - cosine**2).clamp(min=0).sqrt()
                    coefficients[i, j] += length * (turn - cosine * (1 - goal**2).sqrt()) / other
        self.averages = averages.to(self.averages)
        return coefficients[heads].sum(0).to(losses)


def _towards(coefficients: Tensor, gramian: Tensor, other: int) -> tuple[Tensor, Tensor]:
    """Return the cosine between a combined gradient and another one, and its norm."""
    length = (coefficients @ gramian @ coefficients).clamp(min=0).sqrt()
    product = coefficients @ gramian[other]
    return product / (length * gramian[other, other].clamp(min=0).sqrt() + _SMALL), length
