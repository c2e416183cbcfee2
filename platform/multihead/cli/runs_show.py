"""Tables of runs on the terminal: a list, and runs side by side."""

from typing import TYPE_CHECKING, Any

from multihead.terminal.drawn import Screen, styled, table
from multihead.terminal.lines import say
from multihead.tracking.compare import compare_runs

if TYPE_CHECKING:
    import pandas as pd

_MOST_OF_A_VALUE = 1000  # what differs may be in its middle
_FIXED = ("run", "name", "status", "started", "min")


def show_list(runs: "pd.DataFrame", *, searched: bool) -> None:
    """Print one row per run, with the metrics in the table.

    Args:
        runs: From `runs_table`, with only the metrics to show.
        searched: Whether an empty table means that nothing fits.
    """
    if not len(runs):
        none = "no run fits" if searched else "no runs yet: multihead train starts one"
        say(none)
        return
    shown = table()
    metrics = [c for c in runs.columns if c.startswith("metrics.")]
    for title in _FIXED:
        shown.add_column(title, no_wrap=title != "name")
    for column in metrics:
        shown.add_column(column.removeprefix("metrics."), justify="right")
    for row in runs.to_dict("records"):
        minutes = "" if row["minutes"] != row["minutes"] else f"{row['minutes']:.1f}"
        started = f"{row['started']:%Y-%m-%d %H:%M}"
        figures = [_number(row[column]) for column in metrics]
        run = row["run"] or row["mlflow_id"]
        shown.add_row(run, row["name"], row["status"], started, minutes, *figures)
    Screen().print(shown)


def show_checkpoints(run: str) -> None:
    """Print the names of a run's checkpoints, as `--checkpoint` takes them."""
    from multihead.tracking.checkpoint_names import checkpoint_names
    from multihead.tracking.find import find_run
    from multihead.tracking.store import Store

    store = Store()
    names = checkpoint_names(store, find_run(store, run))
    say(f"checkpoints: {', '.join(names) or 'none'}")


def show_comparison(runs: "pd.DataFrame") -> None:
    """Print where the configurations of runs differ, then metrics and their differences."""
    compared = compare_runs(runs)
    shown = table(_MOST_OF_A_VALUE)
    shown.add_column("")
    for run, name in zip(runs["run"], runs["name"], strict=True):
        shown.add_column(styled(name, run), overflow="fold")
    for key, values in compared.config.iterrows():
        shown.add_row(str(key), *(_text(value) for value in values))
    if not len(compared.config):
        shown.add_row("the configurations are equal")
    deltas, before = compared.deltas, None
    for (head, metric), values in compared.metrics.iterrows():
        if head != before:
            shown.add_section()
            shown.add_row(styled(head, style="bold"))
        before = head
        changes = ["", *(_change(delta) for delta in deltas.loc[(head, metric)])]
        cells = [_number(v) + c for v, c in zip(values, changes, strict=True)]
        shown.add_row(f"  {metric}", *cells)
    Screen().print(shown)


def _number(value: float) -> str:
    return "" if value != value else f"{value:.4f}"


def _change(delta: float) -> str:
    return "" if delta != delta else f"  ({delta:+.4f})"


def _text(value: Any) -> str:
    return "" if value != value else str(value)
