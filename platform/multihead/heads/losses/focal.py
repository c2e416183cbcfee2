"""Cross-entropy of classes that counts what is predicted well for less."""

from torch import Tensor, nn
from torch.nn import functional

from multihead.errors import ConfigError
from multihead.heads.head import Head
from multihead.heads.losses.distances import check_number

_LEAST = 1e-12


class FocalLoss(nn.Module):
    """Focus on samples that are predicted badly: (1 - p_y)^gamma (-log p_y).

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, arXiv:1708.02002, eq. 4.

    Args:
        head: One with an output per class.
        gamma: 0 or more; 0 is cross-entropy.

    Shape:
        logits [B, K] and classes int64 [B] to the mean over the batch [], or with
        `reduction = "none"` to [B], in nats.

    Raises:
        ConfigError: For a head without an output per class, or a value outside its range.
    """

    def __init__(self, head: Head, gamma: float = 2.0) -> None:
        super().__init__()
        if head.outputs != head.num_classes:
            raise ConfigError(
                f"FocalLoss is for heads with an output per class, but head {head.name!r} is of "
                f"kind {head.kind.name}; yes-or-no heads have gamma in BinaryLoss."
            )
        check_number("FocalLoss", "gamma", gamma, least=0, open_=False)
        self.gamma, self.reduction = gamma, "mean"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, as `reduction` says."""
        loss = functional.cross_entropy(logits, labels, reduction="none")
        # The probability of other classes; a power below 1 has no slope at 0.
        wrong = (-(-loss).expm1()).clamp(min=_LEAST)
        each = loss * wrong**self.gamma
        return each if self.reduction == "none" else each.mean()
