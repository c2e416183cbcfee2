"""Which number was predicted for which: `predicted_<head>`, a CSV and a PNG."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads.head import Head
from multihead.heads.readout import widest
from multihead.heads.results import Artifact, Shown, name_files
from multihead.metrics.mae import MAE
from multihead.spreadsheet import write_csv

_BINS = 64
_MOST_ROWS = 100_000


class PredictedNumbers(Artifact):
    """Keep the true and the predicted value of every sample, on the device.

    Args:
        head: What is predicted, numbers [B].
        log: Whether the picture's axes are logarithmic; all values are then above 0.
    """

    def __init__(self, head: Head, *, log: bool) -> None:
        self.head, self.log = head, log
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
        """Write a row per sample, the first 100,000, and the picture of all in 64 bins."""
        rows, head = torch.cat(self._seen).cpu().numpy(), self.head
        table = pd.DataFrame(rows[:_MOST_ROWS], columns=["sample", "label", "predicted"])
        table = table.astype({"sample": np.int64})
        table = name_files(table, shown, table["sample"].to_numpy())
        write_csv(table, folder / f"predicted_{head.name}.csv")
        title = MAE.titled(head.shown, shown.metric(MAE.name), head.unit)
        self._draw(rows[:, 1], rows[:, 2], title, folder / f"predicted_{head.name}.png")
        return {}

    def _draw(
        self, true: NDArray[np.float64], said: NDArray[np.float64], title: str, path: Path
    ) -> None:
        from multihead.figures.predicted import predicted_figure

        head = self.head
        if self.log:
            true, said = np.log(true), np.log(np.maximum(said, np.finfo(np.float64).tiny))
        edges = np.histogram_bin_edges(true, _BINS)
        said = np.clip(said, edges[0], edges[-1])  # what is further off is at the picture's edge
        counts = np.histogram2d(true, said, [edges, edges])[0]
        predicted_figure(
            counts,
            np.exp(edges) if self.log else edges,
            quantity=f"{head.shown} [{head.unit}]" if head.unit else head.shown,
            title=title,
            path=path,
            log=self.log,
        )
