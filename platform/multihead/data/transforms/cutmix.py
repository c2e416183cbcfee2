"""CutMix: put a part of another image into each image."""

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
    """Replace a rectangle by the same part of another image, and weight labels by area.

    The rectangle has the image's proportions and the share 1 - lam of its area, with lam from
    Beta(alpha, alpha). Its centre is anywhere in the image, and parts outside the image are cut
    off. Labels are weighted by the areas that result.

    Source: Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features, ICCV 2019, arXiv:1905.04899.

    Args:
        alpha: Parameter of the Beta distribution, 0.01 to 100. With 1, all shares are equally
            likely.
        probability: Probability that an image is changed, 0 to 1.
        where_allowed: See `Transform`.
    """

    numbers = 4

    def __init__(
        self, alpha: float = 1.0, probability: float = 0.5, where_allowed: bool = False
    ) -> None:
        self.alpha = check_number("cutmix.alpha", alpha, 0.01, 100)
        self.probability = check_number("cutmix.probability", probability, 0, 1)
        self.where_allowed = where_allowed
        # Square roots of 1 - lam, which has the same distribution as lam.
        self._sides = Table(np.sqrt(beta(self.alpha, _SHARES)).astype(np.float32))

    def mix(self, images: Tensor, others: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return changed images, and the share of each image that is its own, float32 [B]."""
        height, width = images.shape[2:]
        side = torch.where(numbers[:, 0] < self.probability, self._sides(numbers[:, 1]), 0)
        rows, columns = (side * height).long(), (side * width).long()
        top = whole(numbers[:, 2], height) - rows // 2
        left = whole(numbers[:, 3], width) - columns // 2
        cut = in_box(images, top, left, rows, columns)
        area = cut.sum((1, 2, 3))
        return torch.where(cut, others, images), 1 - area.float() / (height * width)
