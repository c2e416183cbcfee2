"""The description of a run on its MLflow page: results, and how to reproduce them."""

from collections.abc import Mapping, Sequence

from multihead.heads import Heads
from multihead.markdown import escaped, fenced
from multihead.metrics.registry import METRICS
from multihead.runs.build import Parts
from multihead.runs.per_head import OwnBest, described
from multihead.tracking.secrets import typed_command

NOTE_TAG = "mlflow.note.content"
_PICTURES = ("confusion or predicted against true", "reliability", "worst predictions")


def note(
    parts: Parts, metrics: Mapping[str, float], run_id: str, per_head: Sequence[OwnBest] = ()
) -> str:
    """Return the description in Markdown.

    Args:
        parts: The run's objects.
        metrics: The run's metrics. Those of the test are shown, or else the best of validation.
        run_id: The run's id.
        per_head: The comparison with the best epoch of each head, if that was tested.
    """
    heads, data = parts.module.heads, parts.data
    assert heads is not None
    tested = any(name.startswith("test/") for name in metrics)
    split = "test" if tested else "best/val"
    where = f"Test, {len(data.test_indices):,} images, read once" if tested else "Best validation"
    titles = ", ".join(head.shown for head in heads.values())
    # The page hides all but the first lines.
    lines = [
        f"**{where}**",
        "",
        *_table(heads, metrics, split),
        "",
        *described(per_head),
        f"{escaped(titles)} from {len(data.train_indices):,} images of "
        f"{escaped(data.train_source.name)}; "
        f"seed {parts.settings.seed}, {parts.parameters:,} parameters.",
        "",
    ]
    if tested:
        lines += ["Per head in the artifacts under `test/`: " + ", ".join(_PICTURES) + ".", ""]
    lines += [
        "**Run it again** with the same configuration. The command reports what differs:",
        "",
        fenced(f"multihead rerun {run_id}"),
        "",
        "The run was started with:",
        "",
        fenced(typed_command()),
    ]
    return "\n".join(lines)


def _table(heads: Heads, metrics: Mapping[str, float], split: str) -> list[str]:
    there = [m for m in METRICS.values() if any(f"{split}/{h}_{m.name}" in metrics for h in heads)]
    rows = ["| head | " + " | ".join(metric.title for metric in there) + " |"]
    rows.append("|---|" + "---:|" * len(there))
    for name, head in heads.items():
        values = [(metric, metrics.get(f"{split}/{name}_{metric.name}")) for metric in there]
        cells = ["" if v is None else m.shown(v, escaped(head.unit)) for m, v in values]
        rows.append(f"| {escaped(head.shown)} | " + " | ".join(cells) + " |")
    return rows
