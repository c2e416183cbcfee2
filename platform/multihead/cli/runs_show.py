"""Tables of runs on the terminal: a list, and runs side by side."""

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from multihead.tracking.compare import compare_runs

if TYPE_CHECKING:
    import pandas as pd

_FIXED = ("run", "name", "status", "started", "min")


def show_list(table: "pd.DataFrame", *, searched: bool) -> None:
    """Print one row per run, with the metrics in the table.

    Args:
        table: From `runs_table`, with only the metrics to show.
        searched: Whether an empty table means that nothing fits.
    """
    if not len(table):
        none = "no run fits" if searched else "no runs yet: multihead train starts one"
        _console().print(none)
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    metrics = [c for c in table.columns if c.startswith("metrics.")]
    for title in _FIXED:
        shown.add_column(title, no_wrap=title != "name")
    for column in metrics:
        shown.add_column(column.removeprefix("metrics."), justify="right")
    for row in table.to_dict("records"):
        minutes = "" if row["minutes"] != row["minutes"] else f"{row['minutes']:.1f}"
        started = f"{row['started']:%Y-%m-%d %H:%M}"
        figures = [_number(row[column]) for column in metrics]
        run = row["run"] or row["mlflow_id"]
        shown.add_row(run, row["name"], row["status"], started, minutes, *figures)
    _console().print(shown)


def show_comparison(table: "pd.DataFrame") -> None:
    """Print where the configurations of runs differ, then metrics and their differences."""
    compared = compare_runs(table)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("")
    for run, name in zip(table["run"], table["name"], strict=True):
        shown.add_column(f"{name}\n{run}", overflow="fold")
    for key, values in compared.config.iterrows():
        shown.add_row(str(key), *(_text(value) for value in values))
    if not len(compared.config):
        shown.add_row("the configurations are equal")
    deltas, before = compared.deltas, None
    for (head, metric), values in compared.metrics.iterrows():
        if head != before:
            shown.add_section()
            shown.add_row(f"[bold]{head}")
        before = head
        changes = ["", *(_change(delta) for delta in deltas.loc[(head, metric)])]
        cells = [_number(v) + c for v, c in zip(values, changes, strict=True)]
        shown.add_row(f"  {metric}", *cells)
    _console().print(shown)


def _number(value: float) -> str:
    return "" if value != value else f"{value:.4f}"


def _change(delta: float) -> str:
    return "" if delta != delta else f"  ({delta:+.4f})"


def _text(value: Any) -> str:
    return "" if value != value else str(value)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=200)
