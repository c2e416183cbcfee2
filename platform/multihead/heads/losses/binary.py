"""Cross-entropy of independent yes-or-no outputs with one logit each."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.errors import ConfigError
from multihead.heads.head import Head
from multihead.heads.losses.distances import check_share

NEVER = 1e-9  # probability of a class or tag without positive labels


class BinaryLoss(nn.Module):
    """Cross-entropy of the sigmoid of each logit, as in `torch.nn.BCEWithLogitsLoss`.

    The loss of a sample is the mean over its known labels: one for a binary head, up to K for tags.
    A label that is NaN is unknown and has no loss and no gradient.

    Args:
        head: A head with one logit per label.
        pos_weight: The weight of positive labels, one number or one per label; 1 if None.
        label_smoothing: From 0 to 1. The target of a positive label is 1 - label_smoothing / 2, and
            that of a negative label is label_smoothing / 2.

    Shape:
        outputs [B, K] and labels of 0 and 1, [B] for K = 1 or float [B, K], to the mean over the
        batch [], or with `reduction = "none"` to [B].

    Raises:
        ConfigError: If a value is outside its range.
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        head: Head,
        pos_weight: float | Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        check_share("BinaryLoss", "label_smoothing", label_smoothing)
        self.label_smoothing, self.reduction = label_smoothing, "mean"
        weights = positive_weights(head, pos_weight, "BinaryLoss")
        self.register_buffer("pos_weight", weights, persistent=False)

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        true = labels.to(outputs.dtype).view(len(outputs), -1)
        told = ~true.isnan()
        target = torch.where(told, true, 0.0)
        if self.label_smoothing:
            target = target * (1 - self.label_smoothing) + self.label_smoothing / 2
        each = functional.binary_cross_entropy_with_logits(
            outputs, target, reduction="none", pos_weight=self.pos_weight
        )
        of_sample = torch.where(told, each, 0.0).sum(1) / told.sum(1).clamp(min=1)
        return of_sample if self.reduction == "none" else of_sample.mean()


def positive_weights(head: Head, given: float | Sequence[float] | None, loss: str) -> Tensor | None:
    """Return the weights of positive labels, [K], or None.

    Raises:
        ConfigError: If the number of weights is not K, or a weight is not above 0.
    """
    if given is None:
        return None
    weights = [given] * head.outputs if isinstance(given, int | float) else list(given)
    if len(weights) != head.outputs or not all(math.isfinite(w) and w > 0 for w in weights):
        raise ConfigError(
            f"pos_weight of {loss} is {weights} for head {head.name!r}; give a number above 0, or "
            f"{head.outputs} of them."
        )
    return torch.tensor(weights, dtype=torch.float32)
