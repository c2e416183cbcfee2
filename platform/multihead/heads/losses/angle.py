"""Distance of two outputs from the point of a circle that an angle is."""

import math

import torch
from torch import Tensor, nn


class AngleLoss(nn.Module):
    """Half the squared distance from the point on the unit circle.

    An angle a of period P is the point (cos 2 pi a / P, sin 2 pi a / P), so that nothing jumps
    where the circle closes. The loss of a sample is the mean of its two squared differences; an
    output of (0, 0), which says nothing, has 1/2.

    Args:
        period: After which angles are the same, in the unit of the labels.

    Shape:
        outputs [B, 2] and labels [B] to the mean over the batch [], or with
        `reduction = "none"` to [B].
    """

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period, self.reduction = period, "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, as `reduction` says."""
        angle = labels * (2 * math.pi / self.period)
        true = torch.stack([angle.cos(), angle.sin()], 1).to(outputs.dtype)
        losses = (outputs - true).square().mean(1)
        return losses if self.reduction == "none" else losses.mean()
