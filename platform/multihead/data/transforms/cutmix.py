"""Put a part of another image into each one."""

import numpy as np
import torch
from torch import Tensor

from multihead.data.transforms.boxes import in_box
from multihead.data.transforms.mixup import beta
from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.transform import Mixture, check_number, register, whole

_SHARES = 4096


@register("cutmix")
class CutMix(Mixture):
    """Replace a rectangle by the same part of another image; labels count by their areas.

    The rectangle has the image's proportions and the share 1 - lam of its area, with lam from
    Beta(alpha, alpha); its centre is anywhere, and what is outside the image is cut off. Labels
    count by the area that is left.
    Source: Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features, ICCV 2019, arXiv:1905.04899.

    Args:
        alpha: Above 0; 1 cuts any share alike.
        probability: Of an image to be cut into.
        where_allowed: As `Transform` has it.
    """

    numbers = 4

    def __init__(
        self, alpha: float = 1.0, probability: float = 0.5, where_allowed: bool = False
    ) -> None:
        self.alpha = check_number("cutmix.alpha", alpha, 0.01, 100)
        self.probability = check_number("cutmix.probability", probability, 0, 1)
        self.where_allowed = where_allowed
        # Of 1 - lam, which has the distribution of lam.
        self._sides = Table(np.sqrt(beta(self.alpha, _SHARES)).astype(np.float32))

    def mix(self, images: Tensor, others: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return images with a part of others, and the share of the area that is their own."""
        height, width = images.shape[2:]
        side = torch.where(numbers[:, 0] < self.probability, self._sides(numbers[:, 1]), 0)
        rows, columns = (side * height).long(), (side * width).long()
        top = whole(numbers[:, 2], height) - rows // 2
        left = whole(numbers[:, 3], width) - columns // 2
        cut = in_box(images, top, left, rows, columns)
        area = cut.sum((1, 2, 3))
        return torch.where(cut, others, images), 1 - area.float() / (height * width)
