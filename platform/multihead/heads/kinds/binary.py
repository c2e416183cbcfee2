"""Two classes, predicted with one logit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads.artifacts.confusion import Confusion
from multihead.heads.artifacts.curves import Curves
from multihead.heads.artifacts.hardest import HardestBinary
from multihead.heads.artifacts.reliability import YesReliability
from multihead.heads.head import Column, Head, Kind, register
from multihead.heads.losses.binary import NEVER, BinaryLoss
from multihead.heads.readout import ClassReadout, widest
from multihead.heads.results import Artifact, Readout
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.ece import ECE
from multihead.metrics.metric import Metric
from multihead.metrics.of_counts import BINARY_BALANCED_ACCURACY, F1
from multihead.metrics.of_predictions import AUROC, AVERAGE_PRECISION


class BinaryReadout(ClassReadout):
    """Predicts class 1 if its logit is above 0, so its probability is above one half."""

    columns = ("correct", "hit", "positive", "predicted")

    def values(self, outputs: Tensor) -> Tensor:
        """Return classes 0 or 1, int64 [B]."""
        return (outputs[:, 0] > 0).long()

    def codes(self, outputs: Tensor) -> Tensor:
        """Return classes 0 or 1, int64 [B]."""
        return self.values(outputs)

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the columns correct, true positive, positive, predicted positive; [4, B]."""
        said, true = outputs[:, 0] > 0, labels == 1
        return widest(torch.stack([said == true, said & true, true, said]))


@register("binary")
class Binary(Kind):
    """Predicts one of two classes with the logit of class 1; the loss is cross-entropy.

    The score is the accuracy.
    """

    name = "binary"
    in_mean_accuracy = True
    lists_classes = True
    activation = "sigmoid"

    def check(self, head: Head) -> None:
        """Raise ConfigError if the head does not have exactly 2 classes, or has levels."""
        if head.num_classes != 2 or head.parameter is not None:
            raise ConfigError(
                f"head {head.name!r} has {head.num_classes} classes or levels, so it cannot be "
                f"binary; a binary head needs 2 classes."
            )

    def outputs(self, head: Head) -> int:
        """Return 1."""
        return 1

    def criterion(
        self,
        head: Head,
        pos_weight: float | Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> nn.Module:
        """Return the binary cross-entropy."""
        return BinaryLoss(head, pos_weight, label_smoothing)

    def yes_counts(
        self, head: Head, labels: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of labels of class 1 and of class 0, [1] each."""
        counts = np.bincount(labels, minlength=2)
        return counts[1:], counts[:1]

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the logit of the frequency of class 1, [1]."""
        return torch.tensor([labels.mean()]).logit(eps=NEVER)

    def readout(self, head: Head) -> Readout:
        """Return the readout of the class."""
        return BinaryReadout()

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return accuracy, balanced accuracy and F1."""
        return (ACCURACY, BINARY_BALANCED_ACCURACY, F1)

    def evaluated_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return AUROC, average precision and calibration error."""
        return (AUROC, AVERAGE_PRECISION, ECE)

    def judged(
        self, head: Head, readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return probabilities of class 1 [N] and classes [N]."""
        return widest(outputs[:, 0]).sigmoid(), labels

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return the accuracy."""
        return means["correct"]

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return confusion matrix, curves, reliability and worst predictions."""
        yes = head.classes[1:] or ("1",)
        return (Confusion(head), Curves(head, yes), YesReliability(head), HardestBinary(head))

    def columns(self, head: Head) -> dict[str, str]:
        """Return the class, its probability, and its name if classes have names."""
        named = {head.name: "long", f"{head.name}_probability": "double"}
        return named | ({f"{head.name}_name": "string"} if head.classes else {})

    def answer(self, head: Head, readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the columns of `columns` for outputs [B, 1]."""
        classes = readout.values(outputs).numpy()
        of_class = self._both(outputs).amax(1).numpy()
        table: dict[str, Column] = {head.name: classes, f"{head.name}_probability": of_class}
        if head.classes:
            table[f"{head.name}_name"] = np.array(head.classes, object)[classes]
        return table

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """Return the probabilities of class 0 and class 1, [B, 2]."""
        return self._both(outputs).to(outputs.dtype)

    def _both(self, outputs: Tensor) -> Tensor:
        logits = widest(outputs[:, 0])
        return torch.stack([(-logits).sigmoid(), logits.sigmoid()], 1)
