"""Distance of two outputs from an angle's point on the unit circle."""

import math

import torch
from torch import Tensor, nn


class AngleLoss(nn.Module):
    """Half the squared distance from the point on the unit circle.

    An angle a of period P is the point (cos 2 pi a / P, sin 2 pi a / P). So the loss has no jump
    between 0 and P. The loss of a sample is the mean of the two squared differences. The output
    (0, 0) has the loss 1/2 for every label.

    Args:
        period: The period after which angles repeat, in the unit of the labels.

    Shape:
        outputs [B, 2] and labels [B] to the mean over the batch [], or with
        `reduction = "none"` to [B].
    """

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period, self.reduction = period, "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        angle = labels * (2 * math.pi / self.period)
        true = torch.stack([angle.cos(), angle.sin()], 1).to(outputs.dtype)
        losses = (outputs - true).square().mean(1)
        return losses if self.reduction == "none" else losses.mean()
