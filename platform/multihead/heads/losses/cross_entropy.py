"""Cross-entropy on the levels of a parameter, without their order."""

from torch import Tensor, nn
from torch.nn import functional

from multihead.heads.head import Head
from multihead.heads.losses.distances import check_number, levels_of


class LevelCrossEntropy(nn.Module):
    """Cross-entropy -log p_y with levels as unordered classes; a baseline for other losses.

    Args:
        head: A head with a parameter and one output per level.
        label_smoothing: Share of the label that is spread over all levels, 0 to 1.

    Shape:
        logits [B, K] and levels int64 [B] to the mean over the batch [], or with
        `reduction = "none"` to [B], in nats.

    Raises:
        ConfigError: If the head has no levels, or a value is outside its range.
    """

    def __init__(self, head: Head, label_smoothing: float = 0.0) -> None:
        super().__init__()
        levels_of(head, "LevelCrossEntropy")
        check_number("LevelCrossEntropy", "label_smoothing", label_smoothing, least=0, open_=False)
        check_number(
            "LevelCrossEntropy", "1 - label_smoothing", 1 - label_smoothing, least=0, open_=False
        )
        self.label_smoothing, self.reduction = label_smoothing, "mean"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy with the chosen `reduction`."""
        return functional.cross_entropy(
            logits, labels, label_smoothing=self.label_smoothing, reduction=self.reduction
        )
