"""Cut out a part of each image and enlarge it."""

import torch
from torch import Tensor

from multihead.data.transforms.sampling import taken
from multihead.data.transforms.transform import Alteration, check_number, register, whole


@register("crop")
class Crop(Alteration):
    """Cut a window of a random size and place, and enlarge it to the image's size.

    The window has the image's proportions. So things become larger, and what is at the edges may be
    gone.

    Args:
        least: Sides of the smallest window as a share of the image's, above 0 to 1.
        where_allowed: As `Transform` has it.
    """

    numbers = 3

    def __init__(self, least: float = 0.8, where_allowed: bool = False) -> None:
        self.least = check_number("crop.least", least, 0.01, 1)
        self.where_allowed = where_allowed

    @property
    def changes(self) -> frozenset[str]:
        """What is at the edges, and how large things are."""
        return frozenset(["crop", "scale"])

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return enlarged windows."""
        height, width = images.shape[2:]
        kept = self.least + (1 - self.least) * numbers[:, 0]
        rows = _window(height, kept, numbers[:, 1])
        return taken(images, rows, _window(width, kept, numbers[:, 2]))


def _window(side: int, kept: Tensor, numbers: Tensor) -> Tensor:
    """Return which pixel of a side is at each place, [B, side]."""
    size = (kept * side).round().long().clamp(1, side)
    first = whole(numbers, side - size + 1).unsqueeze(1)
    # The pixel under the centre of each new one.
    centres = 2 * torch.arange(side, device=kept.device) + 1
    return first + centres * size.unsqueeze(1) // (2 * side)
