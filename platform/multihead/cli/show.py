"""Print a run on the terminal: the link at its start, and the table of heads at its end."""

import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from multihead.cli.tables import show_columns, show_table
from multihead.data.source import DescribesColumns
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.loss import LOSS
from multihead.metrics.metric import Metric
from multihead.metrics.registry import METRICS
from multihead.runs.build import Parts
from multihead.runs.execute import Announcer, RunResult
from multihead.runs.per_head import shown_table
from multihead.signals import SIGNALS
from multihead.terminal.drawn import Screen, TextTable, table
from multihead.terminal.lines import complain, say
from multihead.tracking.run import TrackedRun
from multihead.training.interrupts import RunInterrupted

# Number of metrics that fit on one line for two splits.
_FEW = 3


class Terminal(Announcer):
    """Print where the run is recorded, its size and its notes."""

    def started(self, run: TrackedRun | None, parts: Parts, notes: list[str]) -> None:
        """Print the run's id, link, size and notes."""
        where = [] if run is None else [f"run {run.run_id}  {run.url or run.folder}"]
        shape = "x".join(map(str, parts.data.image_shape))
        heads = ", ".join(f"{head.shown} {head.outputs}" for head in parts.data.heads.values())
        train = parts.settings.train
        count = len(parts.data.indices("train" if train else "test"))
        what = (
            f"{count:,} {'training' if train else 'test'} images of {shape}, heads: {heads}; "
            f"{parts.parameters:,} parameters, {parts.trainer.precision} on "
            f"{_several(parts.ranks.world_size)}{parts.trainer.strategy.root_device}"
        )
        source = parts.data.train_source
        with suppress(BrokenPipeError):  # a closed pipe (`| head`) must not end a run
            if isinstance(source, DescribesColumns):
                show_columns(source.described, f"columns of {parts.data.place}:")
            say(*where, what, *(f"note: {note}" for note in notes))

    def known(self, run: TrackedRun) -> None:
        """Print the link, as soon as the store has it."""
        with suppress(BrokenPipeError):
            if run.url is not None:
                say(f"link     {run.url}")


def _several(devices: int) -> str:
    return "" if devices == 1 else f"{devices} devices, of which the first is "


def show_result(result: RunResult) -> None:
    """Print a row per head, and the links and commands to continue with."""
    prefixes = {"val": ("best/val", "val"), "test": ("test",)}
    found = {split: [p for p in known if _has(result, p)] for split, known in prefixes.items()}
    shown = {split: there[0] for split, there in found.items() if there}
    alike: dict[tuple[str, ...], list[str]] = {}
    for head in [head for head in result.heads if head not in result.units] if shown else []:
        names = tuple(m.name for m in _measured(result, [head], shown.values()))
        alike.setdefault(names, []).append(head)
    few = [head for names, heads in alike.items() if len(names) <= _FEW for head in heads]
    if few:
        _show_classes(result, few, shown)
    for names, heads in alike.items():
        if len(names) > _FEW:
            _show_splits(result, heads, shown)
    if shown and result.units:
        _show_splits(result, list(result.units), shown, units=True)
    if result.per_head:
        show_table(shown_table(result.per_head), "on the test images, of the epochs that were best")
    if result.run_id is None:
        say("nothing was recorded")
        return
    say(f"run      {result.run_id}", f"link     {result.url or result.folder}")
    if result.best_checkpoint is not None:
        say(f"weights  {result.best_checkpoint}")
    if result.profile is not None:
        say(f"profile  {result.profile}")
    say(f"browse   {this_command()} ui")


def end_interrupted(stop: RunInterrupted) -> NoReturn:
    """Print one line about the signal that ended the run, and exit with the signal's code."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)  # another signal would only disturb the exit
    complain(f"{stop}; `multihead runs` shows it, resume=<run id> continues it")
    sys.exit(stop.exit_code)


def this_command() -> str:
    """Return how to call this command again: by its name if the shell can find it."""
    # sys.argv has a name that was set for Hydra.
    called = next(
        (Path(word) for word in sys.orig_argv[:2] if Path(word).name == "multihead"), None
    )
    if shutil.which("multihead") is not None or called is None:
        return "multihead"
    with suppress(FileNotFoundError):  # the current folder was deleted meanwhile
        here = Path.cwd()
        return str(called.relative_to(here) if called.is_relative_to(here) else called)
    return str(called)


def _show_classes(result: RunResult, heads: list[str], shown: dict[str, str]) -> None:
    """Print the metrics of the heads without a unit, a row per head."""
    measured = _measured(result, heads, shown.values())
    columns = [(prefix, metric) for prefix in shown.values() for metric in measured]
    splits = {prefix: split for split, prefix in shown.items()}
    made = table()
    made.add_column("head")
    for title in ("classes", *(f"{splits[prefix]} {metric.short}" for prefix, metric in columns)):
        made.add_column(title, justify="right")
    for head in heads:
        values = [(m, result.metrics.get(f"{p}/{head}_{m.name}")) for p, m in columns]
        cells = ["" if value is None else metric.shown(value) for metric, value in values]
        made.add_row(result.titles.get(head, head), str(result.heads[head]), *cells)
    _print(made)


def _show_splits(
    result: RunResult, heads: list[str], shown: dict[str, str], *, units: bool = False
) -> None:
    """Print metrics in a row per head and split. Parameters have their units."""
    metrics = _measured(result, heads, shown.values())
    left_out = (ACCURACY, LOSS) if units else (LOSS,)
    kept = [metric for metric in metrics if metric not in left_out] or metrics
    made = table()
    for title in ("head", "unit", "split") if units else ("head", "split"):
        made.add_column(title)
    for metric in kept:
        made.add_column(metric.short, justify="right")
    for head in heads:
        for split, prefix in shown.items():
            values = [result.metrics.get(f"{prefix}/{head}_{m.name}") for m in kept]
            cells = ["" if value is None else f"{value:.4g}" for value in values]
            made.add_row(
                result.titles.get(head, head),
                *([result.units[head]] if units else []),
                split,
                *cells,
            )
    _print(made)


def _measured(result: RunResult, heads: Iterable[str], prefixes: Iterable[str]) -> list[Metric]:
    """Return the metrics that any of the heads has in each epoch, in the order of columns."""
    # Metrics that only a test computes, such as a calibration error, are left out.
    known = list(prefixes)
    names = {f"{prefix}/{head}" for prefix in known[:1] for head in heads}
    return [
        metric
        for metric in METRICS.values()
        if (metric.of_means or metric.of_predictions)
        and any(f"{name}_{metric.name}" in result.metrics for name in names)
    ]


def _print(made: TextTable) -> None:
    Screen().print(made)


def _has(result: RunResult, prefix: str) -> bool:
    return bool(_measured(result, result.heads, [prefix]))
