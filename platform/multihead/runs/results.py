"""What the test split says, as artifacts of a run: a table, and a picture and table per head."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.figures.confusion import confusion_figure, confusion_matrix, confusion_table
from multihead.figures.predicted import predicted_figure
from multihead.heads import Head, Heads
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.mae import MAE
from multihead.metrics.metric import Metric
from multihead.metrics.registry import METRICS
from multihead.runs.build import Parts
from multihead.runs.test_figures import write_evidence
from multihead.spreadsheet import write_csv
from multihead.tracking.run import TrackedRun

_MOST_BINS = 64


def store_test(run: TrackedRun, parts: Parts, metrics: Mapping[str, float]) -> dict[str, float]:
    """Store `test/test.csv`, and what was predicted for what.

    A classification has `confusion_<head>`, a matrix; an ordinal head or a regression has
    `predicted_<head>`, the pairs of levels that occur. Both are a CSV and a PNG, as are
    `reliability_<head>` and `worst_<head>`.

    Returns:
        The calibration errors, which are recorded as metrics.
    """
    heads = parts.module.heads
    assert heads is not None
    # Not where the system keeps temporary files: they are cleared there after some days.
    with tempfile.TemporaryDirectory(dir=run.folder, prefix=".test.") as scratch:
        folder = Path(scratch)
        table = _table(heads, len(parts.data.test_indices), metrics)
        write_csv(table, folder / "test.csv")
        for name, pairs in parts.module.pairs.counts().items():
            head = heads[name]
            if head.kind == "classification":
                classes = head.classes or tuple(map(str, range(head.num_classes)))
                matrix = confusion_matrix(pairs, head.num_classes)
                counted = confusion_table(matrix, classes)
                write_csv(counted, folder / f"confusion_{name}.csv", index=True)
                title = _title(ACCURACY, head, metrics)
                confusion_figure(matrix, classes, title, folder / f"confusion_{name}.png")
            else:
                write_csv(_pairs_table(head, pairs), folder / f"predicted_{name}.csv")
                title = _title(MAE, head, metrics)
                _draw(head, pairs, title, folder / f"predicted_{name}.png")
        errors = write_evidence(parts, folder)
        for path in sorted(folder.iterdir()):
            run.log_file(path, "test")
    if errors:
        run.log_metrics(errors, parts.trainer.global_step)
    return errors


def _title(metric: Metric, head: Head, metrics: Mapping[str, float]) -> str:
    value = metric.shown(metrics[f"test/{head.name}_{metric.name}"], head.unit)
    return f"{head.name}: {metric.title} {value} on the test split"


def _table(heads: Heads, images: int, metrics: Mapping[str, float]) -> pd.DataFrame:
    table: dict[str, Any] = {
        "head": list(heads),
        "kind": [head.kind for head in heads.values()],
        "classes": [head.num_classes for head in heads.values()],
        "images": images,
    }
    if any(head.parameter is not None for head in heads.values()):
        table["unit"] = [head.unit for head in heads.values()]
    for metric in METRICS.values():
        values = [metrics.get(f"test/{name}_{metric.name}") for name in heads]
        if any(value is not None for value in values):
            table[metric.column] = values
    return pd.DataFrame(table)


def _pairs_table(head: Head, pairs: NDArray[np.int64]) -> pd.DataFrame:
    """Return label, predicted level and count, from rows [U, 3], with what the levels stand for."""
    table = pd.DataFrame(pairs, columns=["label", "predicted", "count"])
    table["label_value"] = head.decode(pairs[:, 0])
    table["predicted_value"] = head.decode(pairs[:, 1])
    return table


def _draw(head: Head, pairs: NDArray[np.int64], title: str, path: Path) -> None:
    levels, bins = head.num_classes, min(head.num_classes, _MOST_BINS)
    # Half a level more on either side, so that the outermost levels lie inside.
    edges = np.linspace(-0.5, levels - 0.5, bins + 1)
    true, predicted = (pairs[:, :2].T * bins) // levels
    counts = np.zeros((bins, bins))
    np.add.at(counts, (true, predicted), pairs[:, 2])
    predicted_figure(
        counts,
        head.decode(edges),
        quantity=f"{head.name} [{head.unit}]" if head.unit else head.name,
        title=title,
        path=path,
        log=head.parameter is not None and head.parameter.scale == "log",
    )
