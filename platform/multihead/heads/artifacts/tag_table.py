"""Metrics of each tag: `tags_<head>`, a CSV and a PNG."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.heads.artifacts.scored import Scored
from multihead.heads.results import Shown
from multihead.metrics.of_counts import TAGS_MACRO_F1
from multihead.spreadsheet import write_csv


class TagTable(Scored):
    """Computes the metrics of each tag."""

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write one row per tag, and a figure of their F1."""
        from multihead.figures.tags import tags_figure

        table = pd.DataFrame(
            [{"tag": name, **_row(true, given)} for name, true, given in self.pairs()]
        )
        path = self.path(folder, "tags")
        write_csv(table, path.with_suffix(".csv"))
        title = TAGS_MACRO_F1.titled(self.head.shown, shown.metric(TAGS_MACRO_F1.name))
        tags_figure(table, title, path.with_suffix(".png"))
        return {}


def _row(labels: NDArray[np.int8], scores: NDArray[np.float32]) -> dict[str, float]:
    """Return the metrics of one tag; NaN if a metric is undefined."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    said = scores > 0.5
    positive, predicted = int(labels.sum()), int(said.sum())
    hits = int(labels[said].sum())
    both = 0 < positive < len(labels)
    return {
        "told": len(labels),
        "positive": positive,
        "predicted": predicted,
        "accuracy": float((said == labels).mean()) if len(labels) else np.nan,
        "precision": hits / predicted if predicted else np.nan,
        "recall": hits / positive if positive else np.nan,
        "f1": 2 * hits / (positive + predicted) if positive + predicted else 0.0,
        "auroc": float(roc_auc_score(labels, scores)) if both else np.nan,
        "average_precision": float(average_precision_score(labels, scores)) if both else np.nan,
    }
