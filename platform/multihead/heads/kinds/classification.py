"""Unordered classes with one output each; also levels of a range whose order is ignored."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from multihead.heads.artifacts.confusion import Confusion
from multihead.heads.artifacts.hardest import HardestClasses
from multihead.heads.artifacts.reliability import ConfidenceReliability
from multihead.heads.head import Column, Head, register
from multihead.heads.kinds.of_levels import OfLevels
from multihead.heads.losses.distances import check_share
from multihead.heads.results import Artifact, Readout
from multihead.metrics.ece import ECE
from multihead.metrics.metric import Metric
from multihead.metrics.of_predictions import (
    AUROC,
    AVERAGE_PRECISION,
    BALANCED_ACCURACY,
    MACRO_F1,
)
from multihead.metrics.top_k import TOP_5

_CLASSES_FOR_TOP_K = 10


@register("classification")
class Classification(OfLevels):
    """Predicts the class of the largest output; the loss is cross-entropy."""

    name = "classification"
    in_mean_accuracy = True
    lists_classes = True
    activation = "softmax"

    def criterion(self, head: Head, label_smoothing: float = 0.0) -> nn.Module:
        """Return cross-entropy; `label_smoothing` (0 to 1) spreads a share over all classes."""
        check_share("CrossEntropyLoss", "label_smoothing", label_smoothing)
        return nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def further_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return metrics with equal weight per class, and metrics of probabilities."""
        top_k = (TOP_5,) if head.num_classes >= _CLASSES_FOR_TOP_K else ()
        return (MACRO_F1, BALANCED_ACCURACY, AUROC, AVERAGE_PRECISION, ECE, *top_k)

    def judged(
        self, head: Head, readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return probabilities [N, K] and classes [N]."""
        return outputs.softmax(1), labels

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return confusion matrix, reliability and worst predictions."""
        return (Confusion(head), ConfidenceReliability(head), HardestClasses(head))

    def columns(self, head: Head) -> dict[str, str]:
        """Return the class, its probability, and its name if classes have names."""
        named = {head.name: "long", f"{head.name}_probability": "double"}
        return named | ({f"{head.name}_name": "string"} if head.classes else {})

    def answer(self, head: Head, readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the columns of `columns` for outputs [B, K]."""
        table: dict[str, Column] = {
            head.name: readout.values(outputs).numpy(),
            f"{head.name}_probability": outputs.softmax(1).amax(1).double().numpy(),
        }
        if head.classes:
            table[f"{head.name}_name"] = np.array(head.classes, object)[table[head.name]]
        return table

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """Return the softmax [B, K]."""
        return outputs.softmax(1)
