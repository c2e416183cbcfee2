"""Rotate images around their centres."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.sampling import ONE, turned
from multihead.data.transforms.transform import Alteration, check_number, register

_ANGLES = 1025


@register("rotate")
class Rotate(Alteration):
    """Rotate an image by a random angle. New corners repeat the nearest pixel of the edge.

    Args:
        degrees: Largest angle in either direction, 0 to 180 degrees.
        where_allowed: See `Transform`.
    """

    numbers = 1

    def __init__(self, degrees: float = 15.0, where_allowed: bool = False) -> None:
        self.degrees = check_number("rotate.degrees", degrees, 0, 180)
        self.where_allowed = where_allowed
        self._matrices = Table(turning(np.linspace(-self.degrees, self.degrees, _ANGLES)))

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return rotated images, uint8 [B, C, H, W]."""
        return turned(images, self._matrices(numbers[:, 0]))


def turning(degrees: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the matrices, int64 [n, 4], that `turned` needs for angles [n] in degrees."""
    angles = np.deg2rad(degrees)
    cosines, sines = np.cos(angles), np.sin(angles)
    matrices = np.stack([cosines, sines, -sines, cosines], 1)
    return np.asarray(np.rint(ONE * matrices), np.int64)
