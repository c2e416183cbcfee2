"""Cross-entropy of independent yes-or-no outputs, a logit each."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.errors import ConfigError
from multihead.heads.head import Head
from multihead.heads.losses.distances import check_number

_LEAST = 1e-12  # a power below 1 has no slope at 0


class BinaryLoss(nn.Module):
    """Cross-entropy of the sigmoid of each logit, as `torch.nn.BCEWithLogitsLoss` has it.

    The loss of a sample is the mean over those of its labels that are told: one for a yes-or-no
    head, some of K for tags. A part that is NaN has neither loss nor gradient. With p the
    probability of what is so, w its weight and CE the cross-entropy, the loss of a label is
    w (1 - p)^gamma CE.

    Source of gamma: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, arXiv:1708.02002.

    Args:
        head: One with a logit per label.
        pos_weight: Weight of labels that are 1, above 0: a number, or one for each of K.
        neg_weight: Weight of labels that are 0, as `pos_weight`.
        label_smoothing: Labels are this share of the way to one half, 0 to 1.
        gamma: How much less a label counts that is predicted well, 0 or more.

    Shape:
        outputs [B, K] and labels of 0 and 1, [B] for K = 1 or float [B, K], to the mean over the
        batch [], or with `reduction = "none"` to [B].

    Raises:
        ConfigError: For a value outside its range.
    """

    positive: Tensor
    negative: Tensor

    def __init__(
        self,
        head: Head,
        pos_weight: float | Sequence[float] = 1.0,
        neg_weight: float | Sequence[float] = 1.0,
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        for what, given in (("positive", pos_weight), ("negative", neg_weight)):
            self.register_buffer(what, _weights(head, f"{what[:3]}_weight", given), False)
        check_number(name, "label_smoothing", label_smoothing, least=0, open_=False)
        check_number(name, "1 - label_smoothing", 1 - label_smoothing, least=0, open_=False)
        check_number(name, "gamma", gamma, least=0, open_=False)
        self.label_smoothing, self.gamma, self.reduction = label_smoothing, gamma, "mean"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, as `reduction` says."""
        given = labels.to(outputs.dtype).view(len(outputs), -1)
        told = ~given.isnan()
        true = torch.where(told, given, 0.0)
        targets = true + self.label_smoothing * (0.5 - true)
        each = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
        each = each * torch.where(true == 1, self.positive, self.negative).to(each.dtype)
        if self.gamma:
            wrong = (outputs * (1 - 2 * true)).sigmoid().clamp(min=_LEAST)
            each = each * wrong**self.gamma
        of_sample = torch.where(told, each, 0.0).sum(1) / told.sum(1).clamp(min=1)
        return of_sample if self.reduction == "none" else of_sample.mean()


def _weights(head: Head, what: str, given: float | Sequence[float]) -> Tensor:
    weights = torch.as_tensor(given, dtype=torch.float32).reshape(-1)
    if len(weights) not in (1, head.outputs):
        raise ConfigError(
            f"{what} of head {head.name!r} has {len(weights)} numbers; give one, or "
            f"{head.outputs}, one for each output."
        )
    for weight in weights.tolist():
        check_number("BinaryLoss", what, weight, least=0, open_=True)
    return weights
