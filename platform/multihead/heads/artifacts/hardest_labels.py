"""The worst predictions of heads without classes: `worst_<head>`, a CSV and a PNG."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from multihead.heads.artifacts.hardest import KEPT, write_worst
from multihead.heads.head import Head
from multihead.heads.readout import widest
from multihead.heads.results import Artifact, Shown


class HardestLabels(Artifact):
    """Keeps labels and predictions of the samples with the largest errors, on the device.

    Args:
        head: The head; its labels and values are floats, [B] or [B, K].
        badness: Returns the errors [B] for outputs [B, K] and labels [B, ...]; 0 or less for
            correct predictions.
    """

    def __init__(self, head: Head, badness: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.head, self.badness = head, badness
        self.readout = head.kind.readout(head)
        self.reset()

    def reset(self) -> None:
        """Discard all samples."""
        self._kept: Tensor | None = None

    @torch.no_grad()
    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        values = self.readout.to(outputs.device).values(outputs)
        columns = [self.badness(outputs, labels), numbers, labels, values]
        rows = torch.cat([widest(column).view(len(labels), -1) for column in columns], 1)
        rows = rows if self._kept is None else torch.cat([self._kept, rows])
        self._kept = rows[rows[:, 0].topk(min(KEPT, len(rows))).indices]

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write the predictions as a table, and their images; no files if all are correct."""
        if self._kept is None:
            return {}
        rows = self._kept.cpu().numpy()
        rows = rows[rows[:, 0] > 0]
        width = (rows.shape[1] - 2) // 2
        shape = (len(rows), *self.head.kind.label_shape(self.head))
        labels, values = rows[:, 2 : 2 + width].reshape(shape), rows[:, 2 + width :].reshape(shape)
        write_worst(
            self.head,
            folder,
            shown,
            rows[:, 1].astype(np.int64),
            [self.head.text(label) for label in labels],
            [self.head.text(value) for value in values],
            np.full(len(rows), np.nan),
            rows[:, 0],
        )
        return {}
