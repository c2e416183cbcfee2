"""The summary of a run that MLflow's page shows: results, and how to get them again."""

from collections.abc import Mapping
from typing import Any

from multihead.heads import Heads
from multihead.markdown import escaped, fenced
from multihead.runs.build import Parts
from multihead.tracking.secrets import typed_command

NOTE_TAG = "mlflow.note.content"
_SHOWN = {
    "acc": "accuracy",
    "loss": "loss",
    "ece": "calibration error",
    "mae": "mean absolute error",
    "acc_within": "accuracy within a step",
    "quantile_error": "quantile error",
}
_PICTURES = ("confusion or predicted against true", "reliability", "worst predictions")


def note(parts: Parts, metrics: Mapping[str, float], config: Mapping[str, Any], run_id: str) -> str:
    """Return a few lines of Markdown.

    Args:
        parts: The run's objects.
        metrics: Those of the test are shown, else the best of validation.
        config: The run's configuration.
        run_id: Our id of the run.
    """
    heads, data = parts.module.heads, parts.data
    assert heads is not None
    tested = any(name.startswith("test/") for name in metrics)
    split = "test" if tested else "best/val"
    where = f"Test, {len(data.test_indices):,} images, read once" if tested else "Best validation"
    # The page folds all but the first lines away.
    lines = [
        f"**{where}**",
        "",
        *_table(heads, metrics, split),
        "",
        f"{escaped(', '.join(heads))} from {len(data.train_indices):,} images of "
        f"{escaped(data.train_source.name)}; "
        f"seed {config['seed']}, {parts.parameters:,} parameters.",
        "",
    ]
    if tested:
        lines += ["Per head in the artifacts under `test/`: " + ", ".join(_PICTURES) + ".", ""]
    lines += [
        "**Again**, from this configuration, told what differs from then:",
        "",
        fenced(f"multihead rerun {run_id}"),
        "",
        "First by:",
        "",
        fenced(typed_command()),
    ]
    return "\n".join(lines)


def _table(heads: Heads, metrics: Mapping[str, float], split: str) -> list[str]:
    kinds = [k for k in _SHOWN if any(f"{split}/{name}_{k}" in metrics for name in heads)]
    rows = ["| head | " + " | ".join(_SHOWN[kind] for kind in kinds) + " |"]
    rows.append("|---|" + "---:|" * len(kinds))
    for name, head in heads.items():
        cells = [_cell(metrics.get(f"{split}/{name}_{kind}"), kind, head.unit) for kind in kinds]
        rows.append(f"| {escaped(name)} | " + " | ".join(cells) + " |")
    return rows


def _cell(value: float | None, kind: str, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.4g} {escaped(unit)}".strip() if kind == "mae" else f"{value:.4f}"
