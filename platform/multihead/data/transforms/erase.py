"""Random erasing: cover a part of each image."""

import math

import numpy as np
import torch
from torch import Tensor

from multihead.data.transforms.boxes import in_box, placed
from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.transform import Alteration, check_number, register, whole
from multihead.errors import ConfigError

_SHAPES = 1024


@register("erase")
class Erase(Alteration):
    """Cover a rectangle of a random size and shape with one random colour.

    Source: Zhong, Zheng, Kang, Li & Yang, Random Erasing Data Augmentation, AAAI 2020. The
    paper draws each pixel of the rectangle at random. One colour is cheaper and hides as much.

    Args:
        probability: Probability that an image gets a rectangle, 0 to 1.
        least: Area of the smallest rectangle as a share of the image's area, 0 to 1.
        most: Area of the largest rectangle as such a share, `least` to 1.
        aspect: Largest ratio of the longer side of a rectangle to the shorter, 1 to 100.
        where_allowed: See `Transform`.
    """

    numbers = 8

    def __init__(
        self,
        probability: float = 0.5,
        least: float = 0.02,
        most: float = 0.33,
        aspect: float = 3.3,
        where_allowed: bool = False,
    ) -> None:
        self.probability = check_number("erase.probability", probability, 0, 1)
        self.least = check_number("erase.least", least, 0, 1)
        self.most = check_number("erase.most", most, 0, 1)
        self.aspect = check_number("erase.aspect", aspect, 1, 100)
        if least > most:
            raise ConfigError(
                f"erase.least is {least:g}, more than erase.most, {most:g}; lower it."
            )
        self.where_allowed = where_allowed
        # Square roots of the aspect ratio, whose logarithm is evenly spread.
        spread = np.exp(np.linspace(-0.5, 0.5, _SHAPES) * math.log(self.aspect))
        self._roots = Table(spread.astype(np.float32))

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return images, some of which have a rectangle of one colour, uint8 [B, C, H, W]."""
        height, width = images.shape[2:]
        share = self.least + (self.most - self.least) * numbers[:, 1]
        root = self._roots(numbers[:, 2])
        rows = (height * share.sqrt() * root).round().long().clamp(1, height)
        columns = (width * share.sqrt() / root).round().long().clamp(1, width)
        top, left = placed(height, rows, numbers[:, 3]), placed(width, columns, numbers[:, 4])
        erased = (numbers[:, 0] < self.probability).view(-1, 1, 1, 1)
        covered = in_box(images, top, left, rows, columns) & erased
        return torch.where(covered, _colours(images, numbers[:, 5:]), images)


def _colours(images: Tensor, numbers: Tensor) -> Tensor:
    """Return a colour for each image, uint8 [B, C, 1, 1]. A fourth channel repeats the first."""
    channels = torch.arange(images.shape[1], device=images.device) % numbers.shape[1]
    return whole(numbers[:, channels], 256).to(torch.uint8)[:, :, None, None]
