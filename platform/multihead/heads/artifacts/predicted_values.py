"""True and predicted values: the base class for numbers and angles."""

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

_MOST_ROWS = 100_000


class PredictedValues(Artifact):
    """Keeps the true and the predicted value of every sample, on the device.

    Args:
        head: The head; its predictions are values [B].
    """

    def __init__(self, head: Head) -> None:
        self.head, self.readout = head, head.kind.readout(head)
        self.reset()

    def reset(self) -> None:
        """Discard all samples."""
        self._seen: list[Tensor] = []

    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        values = self.readout.to(outputs.device).values(outputs)
        self._seen.append(torch.stack([widest(c) for c in (numbers, labels, values)], 1))

    def title(self, shown: Shown) -> str:
        """Return a figure's title with the head and its mean absolute error."""
        return MAE.titled(self.head.shown, shown.metric(MAE.name), self.head.unit)

    def picture(self, folder: Path) -> Path:
        """Return the path of the figure."""
        return folder / f"predicted_{self.head.name}.png"

    def seen(self) -> NDArray[np.float64]:
        """Return the number, the label and the prediction of every sample, [N, 3]."""
        rows: NDArray[np.float64] = torch.cat(self._seen).cpu().numpy()
        return rows

    def write_rows(
        self, rows: NDArray[np.float64], folder: Path, shown: Shown, **further: NDArray[np.float64]
    ) -> None:
        """Write one row per sample, for the first 100,000 samples.

        Args:
            rows: The rows of `seen`, [N, 3].
            folder: The folder for the file.
            shown: The source of the samples' file names.
            further: Additional columns, [N].
        """
        table = pd.DataFrame(rows[:_MOST_ROWS], columns=["sample", "label", "predicted"])
        table = table.astype({"sample": np.int64})
        table = table.assign(**{name: values[:_MOST_ROWS] for name, values in further.items()})
        table = name_files(table, shown, table["sample"].to_numpy())
        write_csv(table, folder / f"predicted_{self.head.name}.csv")
