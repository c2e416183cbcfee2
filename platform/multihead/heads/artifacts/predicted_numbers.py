"""True and predicted numbers: `predicted_<head>`, a CSV and a PNG."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.heads.artifacts.predicted_values import PredictedValues
from multihead.heads.head import Head
from multihead.heads.results import Shown

_BINS = 64


class PredictedNumbers(PredictedValues):
    """Keeps the true and the predicted value of every sample, on the device.

    Args:
        head: The head; its predictions are numbers [B].
        log: Whether the figure's axes are logarithmic; then all values must be above 0.
    """

    def __init__(self, head: Head, *, log: bool) -> None:
        super().__init__(head)
        self.log = log

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write one row per sample (the first 100,000), and a figure of all in 64 bins."""
        rows = self.seen()
        self.write_rows(rows, folder, shown)
        self._draw(rows[:, 1], rows[:, 2], self.title(shown), self.picture(folder))
        return {}

    def _draw(
        self, true: NDArray[np.float64], said: NDArray[np.float64], title: str, path: Path
    ) -> None:
        from multihead.figures.predicted import predicted_figure

        if self.log:
            true, said = np.log(true), np.log(np.maximum(said, np.finfo(np.float64).tiny))
        edges = np.histogram_bin_edges(true, _BINS)
        said = np.clip(said, edges[0], edges[-1])  # larger errors are at the edge
        counts = np.histogram2d(true, said, [edges, edges])[0]
        predicted_figure(
            counts,
            np.exp(edges) if self.log else edges,
            quantity=self.head.quantity,
            title=title,
            path=path,
            log=self.log,
        )
