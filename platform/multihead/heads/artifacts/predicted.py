"""True and predicted values of a range: `predicted_<head>`, a CSV and a PNG."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.heads.artifacts.pairs import Pairs
from multihead.heads.results import Shown
from multihead.metrics.mae import MAE
from multihead.spreadsheet import write_csv

_MOST_BINS = 64


class Predicted(Pairs):
    """Counts pairs of true and predicted level."""

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write the pairs that occur, and a figure with at most 64 bins."""
        pairs, name = self.counts(), self.head.name
        table = pd.DataFrame(pairs, columns=["label", "predicted", "count"])
        table["label_value"] = self.head.decode(pairs[:, 0])
        table["predicted_value"] = self.head.decode(pairs[:, 1])
        write_csv(table, folder / f"predicted_{name}.csv")
        title = MAE.titled(name, shown.metric(MAE.name), self.head.unit)
        self._draw(pairs, title, folder / f"predicted_{name}.png")
        return {}

    def _draw(self, pairs: NDArray[np.int64], title: str, path: Path) -> None:
        from multihead.figures.predicted import predicted_figure

        head = self.head
        levels, bins = head.num_classes, min(head.num_classes, _MOST_BINS)
        # Half a level more on both sides, so that the first and last levels are inside.
        edges = np.linspace(-0.5, levels - 0.5, bins + 1)
        true, predicted = (pairs[:, :2].T * bins) // levels
        counts = np.zeros((bins, bins))
        np.add.at(counts, (true, predicted), pairs[:, 2])
        predicted_figure(
            counts,
            head.decode(edges),
            quantity=head.quantity,
            title=title,
            path=path,
            log=head.parameter is not None and head.parameter.scale == "log",
        )
