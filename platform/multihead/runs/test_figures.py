"""Whether probabilities hold and which images went wrong, as pictures and tables of a run."""

from pathlib import Path

import pandas as pd

from multihead.figures.gallery import gallery_figure
from multihead.figures.reliability import reliability_figure, reliability_table
from multihead.heads import Head
from multihead.runs.build import Parts
from multihead.spreadsheet import write_csv
from multihead.text import one_line
from multihead.training.calibration import Reliability
from multihead.training.hardest_samples import Worst

_LONGEST = 24
_AXES = {
    "classification": ("probability of the predicted class", "share of right predictions"),
    "ordinal": ("predicted quantile", "share of images below it"),
}


def write_evidence(parts: Parts, folder: Path) -> dict[str, float]:
    """Write `reliability_<head>` and `worst_<head>`, each a CSV and a PNG.

    Args:
        parts: A run whose test is over.
        folder: Where to write.

    Returns:
        `test/<head>_ece` of classifications and `test/<head>_quantile_error` of ordinal heads.
    """
    heads, metrics = parts.module.heads, {}
    assert heads is not None
    for name, found in parts.module.calibration.read().items():
        metrics[f"test/{name}_{found.metric}"] = found.error
        _write_reliability(name, found, folder)
    for name, worst in parts.module.worst.read().items():
        if len(worst.image):
            _write_worst(heads[name], worst, parts, folder)
    return metrics


def _write_reliability(name: str, found: Reliability, folder: Path) -> None:
    table = reliability_table(found.count, found.expected, found.observed)
    write_csv(table, folder / f"reliability_{name}.csv")
    what = found.metric.replace("ece", "expected calibration error").replace("_", " ")
    title = f"{name}: {what} {found.error:.4f}\non the test split"
    path = folder / f"reliability_{name}.png"
    reliability_figure(table, title, path, axes=_AXES[found.kind])


def _write_worst(head: Head, worst: Worst, parts: Parts, folder: Path) -> None:
    data = parts.data
    chosen = data.test_indices[worst.image]
    images, _ = data.test_source.take(chosen)
    table = pd.DataFrame(
        {
            "image": chosen,
            "label": [_said(head, code) for code in worst.label],
            "predicted": [_said(head, code) for code in worst.predicted],
            "probability": worst.probability,
            "badness": worst.badness,
        }
    )
    write_csv(table, folder / f"worst_{head.name}.csv")
    captions = [
        f"is {one_line(row.label, _LONGEST)}\nsaid {one_line(row.predicted, _LONGEST)}"
        + ("" if row.probability != row.probability else f" ({row.probability:.0%})")
        for row in table.itertuples()
    ]
    title = f"{head.name}: the worst predictions of the test split"
    gallery_figure(images, captions, title, folder / f"worst_{head.name}.png")


def _said(head: Head, code: int) -> str:
    if head.parameter is not None:
        return f"{float(head.decode(code)):.4g} {head.unit}".strip()
    return head.classes[code] if head.classes else str(code)
