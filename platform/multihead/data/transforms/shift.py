"""Move images by a few pixels."""

import torch
from torch import Tensor

from multihead.data.transforms.sampling import taken
from multihead.data.transforms.transform import Alteration, check_number, register, whole


@register("shift")
class Shift(Alteration):
    """Move an image by whole pixels, up to a share of its sides. New pixels mirror the edge.

    A share of 1/8 equals the usual augmentation for CIFAR: padding by 4 pixels and a random crop.
    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2.

    Args:
        share: Largest move as a share of the side, 0 to 0.5.
        where_allowed: See `Transform`.
    """

    numbers = 2

    def __init__(self, share: float = 0.125, where_allowed: bool = False) -> None:
        self.share = check_number("shift.share", share, 0, 0.5)
        self.where_allowed = where_allowed

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return moved images, uint8 [B, C, H, W]."""
        height, width = images.shape[2:]
        rows, columns = self._moved(height, numbers[:, 0]), self._moved(width, numbers[:, 1])
        return taken(images, rows, columns)

    def _moved(self, side: int, numbers: Tensor) -> Tensor:
        """Return the index of the old pixel for each new pixel of a side, int64 [B, side]."""
        most = int(self.share * side)
        by = whole(numbers, 2 * most + 1) - most
        places = torch.arange(side, device=numbers.device) + by.unsqueeze(1)
        # 0 1 2 | 3 | 2 1 0: the edge itself is not repeated.
        return (side - 1) - ((side - 1) - places.abs()).abs()
