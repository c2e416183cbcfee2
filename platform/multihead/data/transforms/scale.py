"""Enlarge or shrink images."""

import math

import numpy as np
from torch import Tensor

from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.sampling import ONE, turned
from multihead.data.transforms.transform import Alteration, check_number, register

_SIZES = 1025


@register("scale")
class Scale(Alteration):
    """Enlarge or shrink an image around its centre. New pixels repeat the edge.

    Args:
        most: Largest factor of enlarging or shrinking, 1 to 10. The logarithm of the factor is
            drawn evenly.
        where_allowed: See `Transform`.
    """

    numbers = 1

    def __init__(self, most: float = 1.25, where_allowed: bool = False) -> None:
        self.most = check_number("scale.most", most, 1, 10)
        self.where_allowed = where_allowed
        steps = np.rint(ONE * np.exp(np.linspace(-1, 1, _SIZES) * math.log(self.most)))
        nothing = np.zeros_like(steps)
        self._matrices = Table(np.stack([steps, nothing, nothing, steps], 1).astype(np.int64))

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return enlarged or shrunk images, uint8 [B, C, H, W]."""
        return turned(images, self._matrices(numbers[:, 0]))
