"""Show things larger or smaller."""

import math

import numpy as np
from torch import Tensor

from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.sampling import ONE, turned
from multihead.data.transforms.transform import Alteration, check_number, register

_SIZES = 1025


@register("scale")
class Scale(Alteration):
    """Enlarge or shrink an image around its centre; what comes in repeats the edge.

    Args:
        most: Factor by which things become larger or smaller at most, 1 to 10; factors are spread
            evenly over the logarithm.
        where_allowed: As `Transform` has it.
    """

    numbers = 1

    def __init__(self, most: float = 1.25, where_allowed: bool = False) -> None:
        self.most = check_number("scale.most", most, 1, 10)
        self.where_allowed = where_allowed
        steps = np.rint(ONE * np.exp(np.linspace(-1, 1, _SIZES) * math.log(self.most)))
        nothing = np.zeros_like(steps)
        self._matrices = Table(np.stack([steps, nothing, nothing, steps], 1).astype(np.int64))

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return enlarged or shrunk images."""
        return turned(images, self._matrices(numbers[:, 0]))
