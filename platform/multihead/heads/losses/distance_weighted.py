"""Cross-entropy with a penalty on probability far from the label."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.heads.head import Head
from multihead.heads.losses.distances import check_number, levels_of


class DistanceWeightedCrossEntropy(nn.Module):
    """Cross-entropy plus a penalty on probability mass by its distance from the label.

    With p = softmax(logits), K levels and the label y,

        L = -log p_y + weight * sum_k p_k (|k - y| / (K - 1)) ** power

    The distance is a share of the range on the parameter's scale (of logarithms if it is log). So
    one weight suits all units. With power 1, the second term is the earth mover's distance between
    prediction and label. With power 2, it is close to the squared one of Hou, Yu & Samaras,
    arXiv:1611.05916. Two distant peaks on both sides of the label make it large, unlike a distance
    of the mean.

    Args:
        head: A head with a parameter and one output per level.
        weight: Weight of the second term, 0 or more. With 10, mass at a tenth of the range costs 1
            nat.
        power: Exponent of the distance, above 0.

    Shape:
        logits [B, K] and levels int64 [B] to the mean over the batch [], or with
        `reduction = "none"` to [B], in nats.

    Raises:
        ConfigError: If the head has no levels, or a value is outside its range.
    """

    levels: Tensor

    def __init__(self, head: Head, weight: float = 10.0, power: float = 1.0) -> None:
        super().__init__()
        name = "DistanceWeightedCrossEntropy"
        levels = levels_of(head, name).levels
        check_number(name, "weight", weight, least=0, open_=False)
        check_number(name, "power", power, least=0, open_=True)
        self.weight, self.power, self.reduction = weight, power, "mean"
        self.register_buffer("levels", torch.arange(levels), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        positions = self.levels.to(logits.dtype) / (len(self.levels) - 1)
        away = (positions - positions[labels].unsqueeze(1)).abs()
        if self.power != 1:
            away = away**self.power
        charge = (logits.softmax(1) * away).sum(1)
        if self.reduction == "mean":
            charge = charge.mean()
        entropy = functional.cross_entropy(logits, labels, reduction=self.reduction)
        return entropy + self.weight * charge
