"""Mixup: mix each image with another one, pixel by pixel."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.transform import Mixture, check_number, register

_UNIT = 256
_SHARES = 4096


@register("mixup")
class MixUp(Mixture):
    """Return lam * image + (1 - lam) * other, with lam from Beta(alpha, alpha) for each image.

    Source: Zhang, Cisse, Dauphin & Lopez-Paz, mixup: Beyond Empirical Risk Minimization, ICLR 2018,
    arXiv:1710.09412.

    Args:
        alpha: Parameter of the Beta distribution, 0.01 to 100. Small values mix little. With 1,
            all shares are equally likely.
        probability: Probability that an image is mixed, 0 to 1.
        where_allowed: See `Transform`.
    """

    numbers = 2

    def __init__(
        self, alpha: float = 0.2, probability: float = 1.0, where_allowed: bool = False
    ) -> None:
        self.alpha = check_number("mixup.alpha", alpha, 0.01, 100)
        self.probability = check_number("mixup.probability", probability, 0, 1)
        self.where_allowed = where_allowed
        self._shares = Table(np.rint(_UNIT * beta(self.alpha, _SHARES)).astype(np.int32))

    def mix(self, images: Tensor, others: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed images and lam, float32 [B], a multiple of 1/256."""
        mixed = numbers[:, 0] < self.probability
        own = torch.where(mixed, self._shares(numbers[:, 1]), _UNIT)
        each = own.view(-1, 1, 1, 1)
        pixels = (images * each + others * (_UNIT - each) + _UNIT // 2) >> 8
        return pixels.to(torch.uint8), own.float() / _UNIT


def beta(alpha: float, count: int) -> NDArray[np.float64]:
    """Return `count` values from 0 to 1 that are equally likely under Beta(alpha, alpha)."""
    from scipy.special import betaincinv  # slow to import

    found: NDArray[np.float64] = betaincinv(alpha, alpha, (np.arange(count) + 0.5) / count)
    return found
