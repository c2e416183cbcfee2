"""Which angle was predicted for which: `predicted_<head>`, a CSV and a PNG of the circle."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from multihead.heads.head import Head
from multihead.heads.readout import widest
from multihead.heads.results import Artifact, Shown, name_files
from multihead.metrics.mae import MAE
from multihead.spreadsheet import write_csv

_MOST_ROWS = 100_000


class PredictedAngles(Artifact):
    """Keep the true and the predicted angle of every sample, on the device.

    Args:
        head: What is predicted, angles [B].
        period: After which angles are the same, in the unit of the labels.
    """

    def __init__(self, head: Head, period: float) -> None:
        self.head, self.period = head, period
        self.readout = head.kind.readout(head)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._seen: list[Tensor] = []

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        values = self.readout.to(outputs.device).values(outputs)
        self._seen.append(torch.stack([widest(c) for c in (numbers, labels, values)], 1))

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write a row per sample, the first 100,000, and a picture of all.

        The error is the predicted angle less the label, the shorter way round.
        """
        from multihead.figures.predicted_angles import predicted_angles_figure

        number, label, predicted = torch.cat(self._seen).cpu().numpy().T
        error = (predicted - label + self.period / 2) % self.period - self.period / 2
        sample, head = number.astype(np.int64), self.head
        table = pd.DataFrame(
            {"sample": sample, "label": label, "predicted": predicted, "error": error}
        )
        table = name_files(table[:_MOST_ROWS].copy(), shown, sample[:_MOST_ROWS])
        write_csv(table, folder / f"predicted_{head.name}.csv")
        predicted_angles_figure(
            np.mod(label, self.period),
            error,
            period=self.period,
            quantity=f"{head.shown} [{head.unit}]" if head.unit else head.shown,
            title=MAE.titled(head.shown, shown.metric(MAE.name), head.unit),
            path=folder / f"predicted_{head.name}.png",
        )
        return {}
