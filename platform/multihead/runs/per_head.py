"""Test each `best-<head>.ckpt`, and compare it with the `best.ckpt` for all heads.

The epochs were chosen on validation, and nothing is chosen here. After the training, the test split
is read once for each epoch that is the best one of some head.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from multihead.markdown import table as markdown_table
from multihead.metrics.metric import Metric
from multihead.runs.build import Parts
from multihead.runs.results import test_table
from multihead.spreadsheet import write_csv
from multihead.text import decimals_of, rounded
from multihead.tracking.run import TrackedRun
from multihead.training.best_of_heads import file_of
from multihead.training.checkpoints import BEST
from multihead.training.hashes import read_hashes
from multihead.training.metrics import shortest

SUMMARY_FILE, ALL_FILE = "best_per_head.csv", "best_per_head_all.csv"
_ALL_HEADS = "best"  # name of `best.ckpt` in the table


@dataclass(frozen=True)
class OwnBest:
    """A head's test metric, of `best.ckpt` and of the head's own best epoch.

    Attributes:
        head: The head's name.
        title: The head's title for display.
        unit: Unit of its labels; empty without a unit.
        metric: The metric that decides which epoch is best for the head.
        one: Test value of `best.ckpt`.
        own: Test value of `best-<head>.ckpt`.
        one_epoch: The epoch of `best.ckpt`, counted from 0.
        own_epoch: The epoch of `best-<head>.ckpt`.
    """

    head: str
    title: str
    unit: str
    metric: Metric
    one: float
    own: float
    one_epoch: int
    own_epoch: int


def unkept_heads(parts: Parts) -> list[str]:
    """Return a line on the heads without a best epoch, or an empty list."""
    checkpoint, data = parts.checkpoint, parts.data
    if checkpoint is None or checkpoint.of_heads is None:
        return []
    counts = data.label_counts("val")
    heads = [head for head in checkpoint.of_heads.judges if not counts[head]]
    if not heads:
        return []
    return [f"no {' and '.join(map(file_of, heads))}: no validation image has a label of the head"]


def test_heads(
    parts: Parts, run: TrackedRun | None, one: Mapping[str, float]
) -> tuple[dict[str, float], tuple[OwnBest, ...]]:
    """Test the best checkpoint of each head, and record the metrics.

    Rank 0 calls this function; the other processes call `follow_tests`.

    Args:
        parts: The objects of a run that has been trained and tested.
        run: The run that records the metrics. With None, nothing is tested.
        one: The metrics of the test of `best.ckpt`.

    Returns:
        Metrics by their names, `test_best_<head>/<metric>`, and the comparison for each head.
    """
    checkpoint = parts.checkpoint
    if checkpoint is None or not checkpoint.per_head or not parts.settings.train:
        return {}, ()
    one_epoch = checkpoint.best_epoch
    epochs = {} if run is None or one_epoch is None else checkpoint.best_epochs
    hashes = read_hashes(checkpoint.folder)
    same = {head: hashes.get(file_of(head), frozenset({head})) for head in epochs}
    measured: dict[frozenset[str], Mapping[str, float]] = {hashes.get(BEST, frozenset()): one}
    logged, parts.logger.run = parts.logger.run, None  # the run's own points are of best.ckpt
    try:
        for head, digest in same.items():
            if digest not in measured:
                measured[digest] = _test(parts, checkpoint.folder / file_of(head))
        parts.trainer.strategy.broadcast(None)
    finally:
        parts.logger.run = logged
    if run is None or one_epoch is None:
        return {}, ()
    by_head = {head: measured[digest] for head, digest in same.items()}
    figures = {
        f"test_best_{head}/{name.removeprefix('test/')}": value
        for head, found in by_head.items()
        for name, value in found.items()
        if name.startswith("test/")
    }
    run.log_metrics(figures, parts.trainer.global_step)
    compared = _compared(parts, one, by_head)
    _store(run, parts, {_ALL_HEADS: one, **{f"best-{h}": v for h, v in by_head.items()}}, compared)
    return figures, compared


def follow_tests(parts: Parts) -> None:
    """Test along with rank 0, in another process of the same training."""
    checkpoint = parts.checkpoint
    if checkpoint is None or not checkpoint.per_head or not parts.settings.train:
        return
    while (chosen := parts.trainer.strategy.broadcast(None)) is not None:
        parts.trainer.test(parts.module, parts.data, ckpt_path=chosen, verbose=False)


def _test(parts: Parts, file: Path) -> dict[str, float]:
    chosen = parts.trainer.strategy.broadcast(str(file))
    (metrics,) = parts.trainer.test(parts.module, parts.data, ckpt_path=chosen, verbose=False)
    return {name: shortest(value) for name, value in metrics.items()}


def _compared(
    parts: Parts, one: Mapping[str, float], by_head: Mapping[str, Mapping[str, float]]
) -> tuple[OwnBest, ...]:
    checkpoint, heads = parts.checkpoint, parts.module.heads
    assert checkpoint is not None
    assert checkpoint.of_heads is not None
    assert checkpoint.best_epoch is not None
    assert heads is not None
    found = []
    for name, metrics in by_head.items():
        head, metric = heads[name], checkpoint.of_heads.judges[name]
        key = f"test/{name}_{metric.name}"
        if key in one and key in metrics:  # missing if no test image has a label of the head
            epochs = checkpoint.best_epoch, checkpoint.best_epochs[name]
            values = one[key], metrics[key]
            found.append(OwnBest(name, head.shown, head.unit, metric, *values, *epochs))
    return tuple(found)


def _store(
    run: TrackedRun,
    parts: Parts,
    measured: Mapping[str, Mapping[str, float]],
    compared: Sequence[OwnBest],
) -> None:
    """Store the comparison, and all metrics of all checkpoints, as tables."""
    heads, checkpoint = parts.module.heads, parts.checkpoint
    assert heads is not None
    assert checkpoint is not None
    counts = parts.data.label_counts("test")
    epochs = {f"best-{head}": epoch for head, epoch in checkpoint.best_epochs.items()}
    epochs[_ALL_HEADS] = checkpoint.best_epoch or 0
    tables = []
    for name, metrics in measured.items():
        table = test_table(heads, counts, metrics)
        table.insert(0, "checkpoint", name)
        table.insert(1, "epoch", epochs[name])
        tables.append(table)
    with tempfile.TemporaryDirectory(dir=run.folder, prefix=".test.") as scratch:
        folder = Path(scratch)
        write_csv(_summary(compared), folder / SUMMARY_FILE)
        write_csv(pd.concat(tables, ignore_index=True), folder / ALL_FILE)
        for file in sorted(folder.iterdir()):
            run.log_file(file, "test")


def _summary(compared: Sequence[OwnBest]) -> pd.DataFrame:
    columns = {
        "head": [each.head for each in compared],
        "metric": [each.metric.name for each in compared],
        "higher_is_better": [each.metric.higher_is_better for each in compared],
        "one_network": [each.one for each in compared],
        "best_epoch_for_head": [each.own for each in compared],
        "difference": [each.own - each.one for each in compared],
        "epoch_of_one_network": [each.one_epoch for each in compared],
        "epoch_of_head": [each.own_epoch for each in compared],
    }
    return pd.DataFrame(columns)


def shown_table(compared: Sequence[OwnBest]) -> pd.DataFrame:
    """Return the comparison as text, a row per head, for the terminal and the run's page."""
    rows = [
        {
            "head": each.title,
            "metric": each.metric.short,
            "one network": f"{each.metric.shown(each.one, each.unit)} (epoch {each.one_epoch})",
            "best epoch for this head": (
                f"{each.metric.shown(each.own, each.unit)} (epoch {each.own_epoch})"
            ),
            "difference": rounded(
                each.own - each.one, decimals_of((each.own, each.one), 4), sign="+"
            ),
        }
        for each in compared
    ]
    return pd.DataFrame(rows)


def described(compared: Sequence[OwnBest]) -> list[str]:
    """Return the comparison in lines of Markdown; an empty list without a comparison."""
    if not compared:
        return []
    return [
        "**One network for all heads, and the best epoch for each**, on the test images:",
        "",
        markdown_table(shown_table(compared)),
        "",
    ]
