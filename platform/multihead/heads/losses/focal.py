"""Focal loss: cross-entropy with small weights for samples that are already right."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.errors import ConfigError
from multihead.heads.head import Head
from multihead.heads.losses.binary import positive_weights
from multihead.heads.losses.distances import check_number

_EPS = torch.finfo(torch.float32).eps


class FocalLoss(nn.Module):
    """Cross-entropy, weighted by the error of the predicted probability.

    With p_t the predicted probability of the label,

        L = -w (1 - p_t)^gamma log p_t

    Classes use the softmax. Binary outputs and tags use the sigmoid of each output, and the mean
    over the known tags. w is `pos_weight` for a positive label, else 1. For the paper's alpha of a
    class, set `model.class_weights`. With gamma 0 the loss is cross-entropy.

    Source: Lin, Goyal, Girshick, He & Dollár, Focal Loss for Dense Object Detection, ICCV 2017,
    arXiv:1708.02002, equation 4.

    Args:
        head: A head of classes or tags.
        gamma: The exponent, 0 or more. A larger one gives correct samples less weight.
        pos_weight: The weight of positive labels, one number or one per tag; 1 if None.

    Shape:
        outputs [B, K] and labels, int64 [B] or float [B, K], to the mean over the batch [], or with
        `reduction = "none"` to [B], in nats.

    Raises:
        ConfigError: If the head has no classes or tags, or a value is outside its range.
    """

    pos_weight: Tensor | None

    def __init__(
        self, head: Head, gamma: float = 2.0, pos_weight: float | Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if not head.kind.activation:
            raise ConfigError(
                f"FocalLoss is for classes and tags, but head {head.name!r} is a "
                f"{head.kind.name}; give it another criterion in model.criteria."
            )
        check_number("FocalLoss", "gamma", gamma, least=0, open_=False)
        self.gamma, self.reduction = gamma, "mean"
        self.softmax = head.kind.activation == "softmax"
        weights = positive_weights(head, pos_weight, "FocalLoss")
        self.register_buffer("pos_weight", weights, persistent=False)

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        each = self._of_classes(outputs, labels) if self.softmax else self._of_tags(outputs, labels)
        return each if self.reduction == "none" else each.mean()

    def _of_classes(self, outputs: Tensor, labels: Tensor) -> Tensor:
        log_p = outputs.log_softmax(1).gather(1, labels.view(-1, 1)).squeeze(1)
        return -self._focus(log_p) * log_p

    def _of_tags(self, outputs: Tensor, labels: Tensor) -> Tensor:
        true = labels.to(outputs.dtype).view(len(outputs), -1)
        told = ~true.isnan()
        signs = 2 * torch.where(told, true, 0.0) - 1
        log_p = functional.logsigmoid(signs * outputs)
        each = -self._focus(log_p) * log_p
        if self.pos_weight is not None:
            each = torch.where(true == 1, each * self.pos_weight, each)
        return torch.where(told, each, 0.0).sum(1) / told.sum(1).clamp(min=1)

    def _focus(self, log_p: Tensor) -> Tensor:
        # For gamma below 1 the gradient at p = 1 is infinite.
        return (-log_p.expm1()).clamp(min=_EPS) ** self.gamma
