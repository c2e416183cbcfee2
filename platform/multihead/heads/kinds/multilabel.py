"""Tags (multi-label classification), predicted with one logit each."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from multihead.errors import ConfigError
from multihead.heads.artifacts.curves import Curves
from multihead.heads.artifacts.hardest_labels import HardestLabels
from multihead.heads.artifacts.reliability import TagReliability
from multihead.heads.artifacts.tag_table import TagTable
from multihead.heads.head import Column, Head, Kind, register
from multihead.heads.losses.binary import NEVER, BinaryLoss
from multihead.heads.readout import widest
from multihead.heads.results import Artifact, Readout
from multihead.metrics.ece import ECE
from multihead.metrics.metric import Metric
from multihead.metrics.of_counts import EXACT_MATCH, MICRO_F1, OF_TAGS, TAGS_MACRO_F1
from multihead.metrics.of_predictions import AUROC, AVERAGE_PRECISION
from multihead.text import is_whole

NO_TAG = "none"
_NO_LETTER = re.compile(r"\W+")


class MultilabelReadout(Readout):
    """Predicts the tags whose logit is above 0, so their probability is above one half.

    Args:
        count: K, number of tags.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.columns = ("exact", *(f"{name}_{tag}" for name in OF_TAGS for tag in range(count)))

    def values(self, outputs: Tensor) -> Tensor:
        """Return 1 for each predicted tag, else 0; int64 [B, K]."""
        return (outputs > 0).long()

    def measures(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return whether all known tags are right, and the counts of `metrics.of_counts`."""
        told, true = ~labels.isnan(), labels == 1
        said = (outputs > 0) & told
        exact = ((said == true) | ~told).all(1, keepdim=True)
        return widest(torch.cat([exact, said & true, true, said, told], 1).T)


@register("multilabel")
class Multilabel(Kind):
    """Predicts which tags an image has, with one logit each; the loss is the mean cross-entropy.

    Labels are float32 [N, K] of 0 and 1. A row of only NaN is a missing label. A NaN within a row
    is an unknown tag; the loss and all metrics ignore it. The score is the macro F1.

    Args:
        tags: Names of the K tags; the head's class names if empty.

    Raises:
        ConfigError: If `tags` is a string.
    """

    name = "multilabel"
    dtype = np.float32
    lists_classes = True
    activation = "sigmoid"

    def __init__(self, tags: Sequence[str] = ()) -> None:
        if isinstance(tags, str):
            raise ConfigError(f"tags of a multilabel are {tags!r}; give a list of names.")
        self.tags = tuple(map(str, tags))

    def check(self, head: Head) -> None:
        """Raise ConfigError if tags are missing, duplicate, or differ from the class names."""
        names = self.class_names(head)
        if not names:
            raise ConfigError(
                f"head {head.name!r} has no tags; name them: "
                f"Head({head.name!r}, kind=Multilabel(tags=[...]))."
            )
        if head.parameter is not None:
            raise ConfigError(
                f"head {head.name!r} has levels of a range, so it cannot be multilabel."
            )
        if (head.num_classes and head.num_classes != len(names)) or head.classes not in ((), names):
            raise ConfigError(
                f"head {head.name!r} has {head.num_classes} classes {list(head.classes)[:5]}, but "
                f"its kind has {len(names)} tags {list(names)[:5]}; set only one of them."
            )
        if len(set(names)) != len(names) or not is_whole("".join(names)):
            raise ConfigError(f"head {head.name!r} has duplicate tags, or unpaired surrogates.")

    # -- labels ----------------------------------------------------------------------------

    def class_names(self, head: Head) -> tuple[str, ...]:
        """Return the name of each tag, or its number if it has no name."""
        return self.tags or head.classes or tuple(map(str, range(head.num_classes)))

    def text(self, head: Head, label: Any) -> str:
        """Return the tags of a label [K], such as `red|round`; unknown tags end with `?`."""
        names = zip(self.class_names(head), np.asarray(label, np.float64), strict=True)
        said = [name if value == 1 else f"{name}?" for name, value in names if value != 0]
        return "|".join(said) or NO_TAG

    def histogram(
        self, head: Head, labels: Mapping[str, NDArray[Any]]
    ) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
        """Count the labels [N, K] with each tag, by split."""
        counts = {split: (part == 1).sum(0) for split, part in labels.items()}
        return list(self.class_names(head)), counts

    def has_range(self, head: Head) -> bool:
        """Return False."""
        return False

    def label_shape(self, head: Head) -> tuple[int, ...]:
        """Return `(K,)`."""
        return (self.outputs(head),)

    def impossible(self, head: Head, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return bool [N]: which rows have other numbers than 0, 1 and NaN, or only NaN."""
        told = ~np.isnan(labels)
        other = (labels != 0) & (labels != 1) & told
        return np.asarray(other.any(1) | ~told.any(1))

    def allowed(self, head: Head) -> str:
        """Return a text that describes an invalid label."""
        return "not a row of 0, 1 and, for unknown tags, NaN"

    # -- training --------------------------------------------------------------------------

    def outputs(self, head: Head) -> int:
        """Return one output per tag."""
        return len(self.class_names(head))

    def criterion(
        self,
        head: Head,
        pos_weight: float | Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> nn.Module:
        """Return the loss: the mean cross-entropy of the known tags."""
        return BinaryLoss(head, pos_weight, label_smoothing)

    def yes_counts(
        self, head: Head, labels: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of labels with and without each tag, [K] each."""
        return (labels == 1).sum(0), (labels == 0).sum(0)

    def constant(self, head: Head, labels: NDArray[Any]) -> Tensor | None:
        """Return the logits of the frequencies of the tags, [K]."""
        there, absent = self.yes_counts(head, labels)
        share = there / np.maximum(there + absent, 1)
        return torch.from_numpy(share).logit(eps=NEVER)

    def readout(self, head: Head) -> Readout:
        """Return the readout of the tags."""
        return MultilabelReadout(self.outputs(head))

    # -- metrics ---------------------------------------------------------------------------

    def metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return macro F1, micro F1 and exact match."""
        return (TAGS_MACRO_F1, MICRO_F1, EXACT_MATCH)

    def evaluated_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the mean AUROC of the tags."""
        return (AUROC,)

    def further_metrics(self, head: Head) -> tuple[Metric, ...]:
        """Return the mean average precision, and the calibration error over all tags."""
        return (AVERAGE_PRECISION, ECE)

    def judged(
        self, head: Head, readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return probabilities [N, K] and labels float [N, K]; NaN is an unknown tag."""
        return widest(outputs).sigmoid(), labels

    def score(self, head: Head, means: Mapping[str, float]) -> float:
        """Return the macro F1."""
        return TAGS_MACRO_F1.of(means)

    # -- results ---------------------------------------------------------------------------

    def artifacts(self, head: Head) -> Sequence[Artifact]:
        """Return table of tags, curves, reliability and worst predictions."""
        names = self.class_names(head)
        return (
            TagTable(head, names),
            Curves(head, names),
            TagReliability(head),
            HardestLabels(head, _wrong_tags),
        )

    def columns(self, head: Head) -> dict[str, str]:
        """Return the predicted tags, such as `red|round`, and the probability of each tag."""
        return {head.name: "string"} | dict.fromkeys(self._columns(head), "double")

    def answer(self, head: Head, readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the columns of `columns` for outputs [B, K]."""
        names = np.array(self.class_names(head), object)
        tags = np.array(["|".join(names[row]) for row in (outputs > 0).numpy()], object)
        each = outputs.double().sigmoid().numpy().T
        return {head.name: tags} | dict(zip(self._columns(head), each, strict=True))

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """Return the probability of each tag, [B, K]; a row does not sum to 1."""
        return outputs.sigmoid()

    def _columns(self, head: Head) -> list[str]:
        """Return a unique column name for the probability of each tag."""
        found: list[str] = []
        for number, tag in enumerate(self.class_names(head)):
            plain = f"{head.name}_has_{_NO_LETTER.sub('_', tag).strip('_') or number}"
            found.append(plain if plain not in found else f"{plain}_{number}")
        return found


def _wrong_tags(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss [B] of samples with a wrong tag, and 0 for other samples."""
    told = ~labels.isnan()
    wrong = (((outputs > 0) != (labels == 1)) & told).any(1)
    true = torch.where(told, labels, 0)
    each = functional.binary_cross_entropy_with_logits(outputs, true, reduction="none")
    loss = torch.where(told, each, 0).sum(1) / told.sum(1).clamp(min=1)
    return torch.where(wrong, loss, 0)
