"""Gradients turned towards each other until they are as alike as they have been on average."""

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
    """Turn each head's gradient towards the others' until their cosines are what is usual.

    As much of the other gradient is added as brings the cosine up to its moving average. Gradients
    are taken whole; the paper also treats layers apart. The other heads are taken in a random
    order. All of it happens in the coefficients of the gradients, for which the Gramian is enough.
    The averages of a head without a label in the batch stay as they are. Each head's own parameters
    learn from its own loss.
    Source: Wang et al., Gradient Vaccine, ICLR 2021, arXiv:2010.05874, algorithm 1.

    Args:
        heads: Fixes T and the order of the losses.
        weights: Static weights by head name.
        beta: How fast the averages follow, 0 to 1. The paper's is 0.01, for long trainings on many
            languages; 0.5 is what LibMTL and TorchJD have.
        gramian_of: As `GramianBalancer`.
        every: As `GramianBalancer`.
        scaled: As `ScaledBalancer`.
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
        """Return the sum over heads of the coefficients of their changed gradients."""
        # On the CPU: each of these few numbers would be waited for.
        given = cast(Tensor, gramian).detach().double().cpu()
        averages = self.averages.double().cpu()
        count = len(losses)
        coefficients = torch.eye(count, dtype=torch.float64)
        there = seen.tolist()
        if not torch.isfinite(given).all():  # an overflow must not stay in the averages
            return torch.ones_like(losses)
        given = given / given.diagonal().mean().clamp(min=_LEAST)  # _SMALL is then small
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
    """Return the cosine of a combined gradient to another's, and its length."""
    length = (coefficients @ gramian @ coefficients).clamp(min=0).sqrt()
    product = coefficients @ gramian[other]
    return product / (length * gramian[other, other].clamp(min=0).sqrt() + _SMALL), length
