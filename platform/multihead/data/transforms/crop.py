"""Cut out a part of each image and enlarge it."""

import torch
from torch import Tensor

from multihead.data.transforms.sampling import taken
from multihead.data.transforms.transform import Alteration, check_number, register, whole


@register("crop")
class Crop(Alteration):
    """Cut out a window of random size and position, and enlarge it to the image's size.

    The window has the image's proportions. Objects become larger, and the edges may be lost.

    Args:
        least: Side of the smallest window as a share of the image's side, 0.01 to 1.
        where_allowed: See `Transform`.
    """

    numbers = 3

    def __init__(self, least: float = 0.8, where_allowed: bool = False) -> None:
        self.least = check_number("crop.least", least, 0.01, 1)
        self.where_allowed = where_allowed

    @property
    def changes(self) -> frozenset[str]:
        """`crop` (the edges are lost) and `scale` (objects become larger)."""
        return frozenset(["crop", "scale"])

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return enlarged windows, uint8 [B, C, H, W]."""
        height, width = images.shape[2:]
        kept = self.least + (1 - self.least) * numbers[:, 0]
        rows = _window(height, kept, numbers[:, 1])
        return taken(images, rows, _window(width, kept, numbers[:, 2]))


def _window(side: int, kept: Tensor, numbers: Tensor) -> Tensor:
    """Return the index of the old pixel for each new pixel of a side, int64 [B, side]."""
    size = (kept * side).round().long().clamp(1, side)
    first = whole(numbers, side - size + 1).unsqueeze(1)
    # Take the old pixel under the centre of each new one.
    centres = 2 * torch.arange(side, device=kept.device) + 1
    return first + centres * size.unsqueeze(1) // (2 * side)
