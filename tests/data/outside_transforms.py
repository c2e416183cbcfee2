"""Transforms as a person writes them: two small classes in a file of their own."""

import torch
from torch import Tensor

from multihead.data.transforms import Alteration, Mixture


class Invert(Alteration):
    """Show half of the images as negatives."""

    name = "invert"
    numbers = 1

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        return torch.where(numbers.view(-1, 1, 1, 1) < self.probability, 255 - images, images)


class LeftHalf(Mixture):
    """Take the left half of the other image."""

    name = "left_half"

    def mix(self, images: Tensor, others: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        middle = images.shape[3] // 2
        mixed = torch.cat([others[..., :middle], images[..., middle:]], 3)
        return mixed, torch.full((len(images),), 1 - middle / images.shape[3])
