"""ROC and precision-recall curves: `curves_<head>`, a CSV and a PNG."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.heads.artifacts.scored import Scored
from multihead.heads.results import Shown
from multihead.spreadsheet import write_csv

_POINTS = 200


class Curves(Scored):
    """Writes the ROC and the precision-recall curve of each class or tag."""

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write up to 200 points per curve, and a figure. Curves need both labels."""
        from multihead.figures.curves import curves_figure

        tables = {
            name: curve(labels, scores)
            for name, labels, scores in self.pairs()
            if 0 < labels.sum() < len(labels)
        }
        if not tables:
            return {}
        named = [table.assign(name=name) for name, table in tables.items()]
        whole = pd.concat(named)[["name", *named[0].columns[:-1]]]
        path = self.path(folder, "curves")
        write_csv(whole, path.with_suffix(".csv"))
        curves_figure(tables, f"{self.head.shown} on the test split", path.with_suffix(".png"))
        return {}


def curve(labels: NDArray[np.int8], scores: NDArray[np.float32]) -> pd.DataFrame:
    """Return points of both curves, from the highest threshold to the lowest.

    Args:
        labels: 0 or 1, [n]; both must occur.
        scores: Probabilities of 1, [n].
    """
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order], labels[order].cumsum(dtype=np.int64)
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    shown = last[np.unique(np.linspace(0, len(last) - 1, _POINTS).astype(int))]
    hits, said = hits[shown], shown + 1
    positive = int(labels.sum())
    return pd.DataFrame(
        {
            "threshold": falling[shown],
            "true_positive_rate": hits / positive,
            "false_positive_rate": (said - hits) / (len(labels) - positive),
            "precision": hits / said,
        }
    )
