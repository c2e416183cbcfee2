"""Cross-entropy with labels spread over the neighbouring levels."""

from torch import Tensor, nn
from torch.nn import functional

from multihead.heads.head import Head
from multihead.heads.losses.distances import check_number, levels_of
from multihead.heads.scale import Scale


class SoftTargetCrossEntropy(nn.Module):
    """Cross-entropy with a Gaussian around the label as target.

    With p = softmax(logits), x_k the value of level k and y the label,

        q_k = exp(-(x_k - x_y)^2 / (2 width^2)) / Z,   L = -sum_k q_k log p_k

    Z makes the q_k sum to 1, also at the ends of the range. L has its minimum at p = q, where it is
    the entropy of q, not 0.

    Source: Díaz & Marathe, Soft Labels for Ordinal Regression, CVPR 2019, with the squared
    distance as their phi.

    Args:
        head: A head with a parameter and one output per level.
        width: Standard deviation of the Gaussian in the unit, above 0; the parameter's tolerance
            if None.

    Shape:
        logits [B, K] and levels int64 [B] to the mean over the batch [], or with
        `reduction = "none"` to [B], in nats.

    Raises:
        ConfigError: If the head has no levels, or a value is outside its range.
    """

    def __init__(self, head: Head, width: float | None = None) -> None:
        super().__init__()
        parameter = levels_of(head, "SoftTargetCrossEntropy")
        self.width = parameter.tolerance if width is None else width
        check_number("SoftTargetCrossEntropy", "width", self.width, least=0, open_=True)
        self.scale, self.reduction = Scale(parameter), "mean"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss with the chosen `reduction`."""
        targets = self.targets(labels).to(logits.dtype)
        return functional.cross_entropy(logits, targets, reduction=self.reduction)

    def targets(self, labels: Tensor) -> Tensor:
        """Return the distributions q [B, K] of levels [B]."""
        widths = self.scale.offsets / self.width
        return (-0.5 * (widths - widths[labels].unsqueeze(1)) ** 2).softmax(1)
