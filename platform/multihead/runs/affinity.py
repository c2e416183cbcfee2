"""Store which heads helped each other in a training: metrics, tables and a picture."""

import json

import numpy as np
import pandas as pd

from multihead.runs.build import Parts
from multihead.spreadsheet import write_csv
from multihead.tracking.run import TrackedRun
from multihead.training.affinity import affinity_metric

MATRIX, TABLE = "affinity.json", "affinity.csv"
EPOCHS, PICTURE = "affinity_epochs.csv", "affinity.png"


def mean_affinity_metric(source: str, target: str) -> str:
    """Return the name of the metric with the mean affinity over the whole training."""
    return f"mean/{affinity_metric(source, target)}"


def store_affinity(run: TrackedRun, parts: Parts) -> None:
    """Store the means over the training as metrics, JSON, CSV and heat map, and a CSV by epoch."""
    callback = parts.affinity
    found = None if callback is None else callback.of_training()
    if callback is None or found is None or found.empty:
        return
    from multihead.figures.affinity import affinity_figure  # takes a second to import

    pairs = found[found["source"] != found["target"]]
    means = {
        mean_affinity_metric(row.source, row.target): float(row.affinity)
        for row in pairs.itertuples()
    }
    run.log_metrics(means, parts.trainer.global_step)
    heads = list(parts.module.heads or ())
    matrix, looks = _square(found, heads, "affinity"), _square(found, heads, "looks")
    content = {
        "heads": heads,
        "affinity": [[v if np.isfinite(v) else None for v in row] for row in matrix.to_numpy()],
        "looks": looks.fillna(0).astype(int).to_numpy().tolist(),
        "rows": "the head that steps",
        "columns": "the head whose loss changes",
    }
    (run.folder / MATRIX).write_text(json.dumps(content, indent=2), encoding="utf-8")
    write_csv(found, run.folder / TABLE)
    write_csv(callback.table(), run.folder / EPOCHS)
    affinity_figure(matrix, run.folder / PICTURE)
    for name in (MATRIX, TABLE, EPOCHS, PICTURE):
        run.log_file(run.folder / name)


def _square(found: pd.DataFrame, heads: list[str], column: str) -> pd.DataFrame:
    square = found.pivot(index="source", columns="target", values=column)
    return square.reindex(index=heads, columns=heads)
