"""Cross-entropy of independent yes-or-no outputs, a logit each."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.heads.head import Head


class BinaryLoss(nn.Module):
    """Cross-entropy of the sigmoid of each logit, as `torch.nn.BCEWithLogitsLoss` has it.

    The loss of a sample is the mean over those of its labels that are told: one for a yes-or-no
    head, some of K for tags. A part that is NaN has neither loss nor gradient.

    Args:
        head: One with a logit per label.

    Shape:
        outputs [B, K] and labels of 0 and 1, [B] for K = 1 or float [B, K], to the mean over the
        batch [], or with `reduction = "none"` to [B].
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.reduction = "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, as `reduction` says."""
        true = labels.to(outputs.dtype).view(len(outputs), -1)
        told = ~true.isnan()
        each = functional.binary_cross_entropy_with_logits(
            outputs, torch.where(told, true, 0.0), reduction="none"
        )
        of_sample = torch.where(told, each, 0.0).sum(1) / told.sum(1).clamp(min=1)
        return of_sample if self.reduction == "none" else of_sample.mean()
