"""Pairs of true and predicted class or level, counted at the end."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads.head import Head
from multihead.heads.readout import ClassReadout
from multihead.heads.results import Artifact


class Pairs(Artifact):
    """Keeps (label, prediction) of every sample on the device, 4 bytes each.

    A matrix of counts would be larger for most parameters: 256 levels have 65,536 pairs, but few of
    them occur.

    Args:
        head: The head; predictions of a parameter are rounded to the nearest level.
    """

    def __init__(self, head: Head) -> None:
        self.head, self.readout = head, class_readout(head)
        self._seen: list[Tensor] = []

    def reset(self) -> None:
        """Discard all samples."""
        self._seen = []

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        readout = self.readout.to(outputs.device)
        true, predicted = readout.label_codes(labels), readout.codes(outputs)
        self._seen.append((true * self.head.num_classes + predicted).int())

    def counts(self) -> NDArray[np.int64]:
        """Return sorted rows (label, prediction, count), [U, 3]."""
        if not self._seen:
            return np.zeros((0, 3), np.int64)
        codes, counts = np.unique(torch.cat(self._seen).cpu().numpy(), return_counts=True)
        return np.column_stack([*np.divmod(codes.astype(np.int64), self.head.num_classes), counts])


def class_readout(head: Head) -> ClassReadout:
    """Return the readout of a head whose labels are classes or levels."""
    readout = head.kind.readout(head)
    assert isinstance(readout, ClassReadout)
    return readout
