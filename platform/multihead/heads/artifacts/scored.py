"""Probabilities and labels of every sample, for binary heads and tags."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads.head import Head
from multihead.heads.results import Artifact


class Scored(Artifact):
    """Keeps a probability and a label of each sample and tag, on the CPU; 5 bytes per pair.

    Args:
        head: A head with one logit per class or tag; labels are 0, 1 or NaN.
        names: Names of its K logits.
    """

    def __init__(self, head: Head, names: tuple[str, ...]) -> None:
        self.head, self.names = head, names
        self.reset()

    def reset(self) -> None:
        """Discard all samples."""
        self._scores: list[Tensor] = []
        self._labels: list[Tensor] = []

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        true = labels.float().view(len(labels), -1)
        self._scores.append(outputs.float().sigmoid().cpu())
        self._labels.append(torch.where(true.isnan(), -1, true).to(torch.int8).cpu())

    def pairs(self) -> Iterator[tuple[str, NDArray[np.int8], NDArray[np.float32]]]:
        """Yield each name with its known labels [n] and their probabilities [n]."""
        if not self._scores:
            return
        labels, scores = torch.cat(self._labels).numpy(), torch.cat(self._scores).numpy()
        for number, name in enumerate(self.names):
            told = labels[:, number] >= 0
            yield name, labels[told, number], scores[told, number]

    def path(self, folder: Path, what: str) -> Path:
        """Return the path of a file of this head, without a suffix."""
        return folder / f"{what}_{self.head.name}"
