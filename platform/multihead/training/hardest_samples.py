"""The predictions that were furthest off, found while testing: only the worst few are kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads import Heads
from multihead.models.readout import Readouts

KEPT = 24


@dataclass(frozen=True)
class Worst:
    """The worst predictions of a head, the worst first; each array is [n], n up to 24.

    Attributes:
        image: Number of the image in the test split, in its fixed order.
        label: True class or level.
        predicted: Predicted class or level.
        probability: Of the predicted class; NaN for parameters.
        badness: Minus the logarithm of the label's probability, in nats; for parameters the
            distance in levels.
    """

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]
    badness: NDArray[np.float64]


class WorstPredictions:
    """Keep the worst predictions of every head on the device.

    Args:
        heads: What is predicted.
    """

    def __init__(self, heads: Heads) -> None:
        self.heads, self.readouts = heads, Readouts(heads)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._seen = 0
        self._kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Add one batch of outputs [B, K] and labels [B] by head name."""
        size = len(next(iter(labels.values())))
        for name in self.heads:
            rows = self._rows(name, outputs[name], labels[name])
            rows = torch.cat([self._kept[name], rows]) if name in self._kept else rows
            best = rows[:, -1].topk(min(KEPT, len(rows))).indices
            self._kept[name] = rows[best]
        self._seen += size

    def _rows(self, name: str, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return image, label, prediction, probability and badness of each image, [B, 5]."""
        readout = self.readouts[name].to(outputs.device)
        true, predicted = readout.label_codes(labels), readout.codes(outputs)
        if self.heads[name].kind == "classification":
            logs = outputs.log_softmax(1)
            probability = logs.max(1).values.exp()
            badness = -logs.gather(1, true[:, None])[:, 0]
        else:
            probability = torch.full_like(outputs[:, 0], torch.nan)
            badness = (predicted - true).abs().to(outputs.dtype)
        badness = badness.masked_fill(predicted == true, -1)  # nothing wrong with these
        image = torch.arange(self._seen, self._seen + len(true), device=true.device)
        # Image numbers are exact in float32 up to 16 million.
        columns = [image.float(), true.float(), predicted.float(), probability, badness]
        return torch.stack(columns, 1)

    def read(self) -> dict[str, Worst]:
        """Return the worst predictions by head name; right ones are left out."""
        return {name: self._read(rows) for name, rows in self._kept.items()}

    @staticmethod
    def _read(rows: Tensor) -> Worst:
        table = rows.double().cpu().numpy()
        table = table[table[:, 1] != table[:, 2]]
        whole = table[:, :3].astype(np.int64)
        return Worst(whole[:, 0], whole[:, 1], whole[:, 2], table[:, 3], table[:, 4])
