"""Store the results of the test as artifacts of a run: a table, and files of each head's kind."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.data.datamodule import MultiheadDataModule
from multihead.data.source import NamesFiles
from multihead.heads import Heads
from multihead.metrics.registry import METRICS
from multihead.runs.build import Parts
from multihead.spreadsheet import write_csv
from multihead.tracking.run import TrackedRun


@dataclass(frozen=True)
class _Shown:
    """The test data of a head for its artifacts; see `heads.Shown`."""

    head: str
    metrics: Mapping[str, float]
    data: MultiheadDataModule

    def metric(self, name: str) -> float | None:
        return self.metrics.get(f"test/{self.head}_{name}")

    def images(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        places = self.data.test_indices[numbers]
        return places, self.data.test_source.take(places)[0]

    def files(self, numbers: NDArray[np.int64]) -> Sequence[str]:
        source = self.data.test_source
        if not isinstance(source, NamesFiles):
            return ()
        return [source.files[place] for place in self.data.test_indices[numbers]]


def store_test(run: TrackedRun, parts: Parts, metrics: Mapping[str, float]) -> dict[str, float]:
    """Store `test/test.csv`, and the tables and pictures of each head's kind.

    A classification has `confusion_<head>`, a confusion matrix. An ordinal head or a regression has
    `predicted_<head>`, the pairs of predicted and true levels. Each is a CSV and a PNG, and so are
    `reliability_<head>` and `worst_<head>`.

    Args:
        run: The run that records the files.
        parts: The objects of the run, after the test.
        metrics: The metrics of the test.

    Returns:
        Further metrics that are computed from the whole test split, such as calibration errors.
    """
    heads = parts.module.heads
    assert heads is not None
    found: dict[str, float] = {}
    # Not in the system's temporary folder, because old files are deleted there.
    with tempfile.TemporaryDirectory(dir=run.folder, prefix=".test.") as scratch:
        folder = Path(scratch)
        counts = parts.data.label_counts("test")
        write_csv(test_table(heads, counts, metrics), folder / "test.csv")
        for name, artifacts in parts.module.artifacts.of_head.items():
            shown = _Shown(name, metrics, parts.data)
            for artifact in artifacts if counts[name] else ():
                of_head = artifact.write(folder, shown)
                found |= {f"test/{name}_{metric}": value for metric, value in of_head.items()}
        for path in sorted(folder.iterdir()):
            run.log_file(path, "test")
    if found:
        run.log_metrics(found, parts.trainer.global_step)
    return found


def test_table(
    heads: Heads, counts: Mapping[str, int], metrics: Mapping[str, float]
) -> pd.DataFrame:
    """Return a table of the test's metrics with a row per head.

    Args:
        heads: The heads, in the order of the rows.
        counts: Number of test images with a label, by head name.
        metrics: The metrics by their names, such as `test/digit_acc`.
    """
    table: dict[str, Any] = {
        "head": list(heads),
        "kind": [head.kind.name for head in heads.values()],
        "classes": [h.num_classes or len(h.kind.class_names(h)) for h in heads.values()],
        "images": [counts[name] for name in heads],
    }
    if any(head.title for head in heads.values()):
        table["title"] = [head.shown for head in heads.values()]
    if any(head.has_range for head in heads.values()):
        table["unit"] = [head.unit for head in heads.values()]
    for metric in METRICS.values():
        values = [metrics.get(f"test/{name}_{metric.name}") for name in heads]
        if any(value is not None for value in values):
            table[metric.column] = values
    return pd.DataFrame(table)
