"""What a person sees of a run: the link at the start, the table of heads at the end."""

import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table

from multihead.runs.build import Parts
from multihead.runs.execute import Announcer, RunResult
from multihead.tracking.run import TrackedRun
from multihead.training.interrupts import SIGNALS, RunInterrupted


def say(text: str) -> None:
    """Print a line; that nobody reads it any more (`| head`) must not end a run."""
    with suppress(BrokenPipeError):
        click.echo(text)


class Terminal(Announcer):
    """Print where the run is recorded and what to know of it."""

    def started(self, run: TrackedRun | None, parts: Parts, notes: list[str]) -> None:
        """Print the run's id, link, size and notes."""
        if run is not None:
            say(f"run {run.run_id}  {run.url or run.folder}")
        shape = "x".join(map(str, parts.data.image_shape))
        heads = ", ".join(f"{name} {count}" for name, count in parts.data.num_classes.items())
        say(
            f"{len(parts.data.train_indices):,} training images of {shape}, heads: {heads}; "
            f"{parts.parameters:,} parameters, {parts.trainer.precision} on "
            f"{parts.trainer.strategy.root_device}"
        )
        for note in notes:
            say(f"note: {note}")


def show_result(result: RunResult) -> None:
    """Print a row per head and what to do next."""
    classes = [head for head in result.heads if head not in result.units]
    _show_heads(result, classes, {"accuracy": "acc", "loss": "loss"})
    errors = {"MAE": "mae", "RMSE": "rmse", "R²": "r2", "within": "acc_within"}
    _show_heads(result, list(result.units), errors)
    if result.run_id is None:
        click.echo("nothing was recorded")
        return
    click.echo(f"run      {result.run_id}\nlink     {result.url or result.folder}")
    if result.best_checkpoint is not None:
        click.echo(f"weights  {result.best_checkpoint}")
    click.echo(f"browse   {_this_command()} ui")


def end_interrupted(stop: RunInterrupted) -> NoReturn:
    """Say in one line that a signal ended the run, and exit with the signal's code."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)  # a further one would only break the exit
    click.echo(f"multihead: {stop}; `multihead runs` shows it, resume=<run id> goes on", err=True)
    sys.exit(stop.exit_code)


def _this_command() -> str:
    """Return how to call this command again: by its name where the shell would find it."""
    called = Path(sys.argv[0])
    if shutil.which("multihead") is not None or called.name != "multihead":
        return "multihead"
    here = Path.cwd()
    return str(called.relative_to(here) if called.is_relative_to(here) else called)


def _show_heads(result: RunResult, heads: list[str], metrics: dict[str, str]) -> None:
    """Print a table of some heads, with the metrics of the splits there are."""
    prefixes = {"val": ("best/val", "val"), "test": ("test",)}
    shown = {
        split: found[0]
        for split, choices in prefixes.items()
        if (found := [p for p in choices if _has(result, p)])
    }
    if not shown or not heads:
        return
    table = Table(title=None)
    table.add_column("head")
    parameters = heads[0] in result.units
    table.add_column("unit" if parameters else "classes", justify="left" if parameters else "right")
    for split in shown:
        for title in metrics:
            table.add_column(f"{split} {title}", justify="right")
    for head in heads:
        cells = [
            f"{result.metrics[f'{prefix}/{head}_{metric}']:{'.4g' if parameters else '.4f'}}"
            for prefix in shown.values()
            for metric in metrics.values()
        ]
        table.add_row(head, result.units.get(head, str(result.heads[head])), *cells)
    Console(width=None if Console().is_terminal else 100).print(table)


def _has(result: RunResult, prefix: str) -> bool:
    return all(f"{prefix}/{head}_acc" in result.metrics for head in result.heads)
