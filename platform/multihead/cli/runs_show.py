"""Tables of runs on the terminal: a list, and runs side by side."""

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from multihead.terminal.drawn import Screen, TextTable, styled, table
from multihead.terminal.lines import say
from multihead.tracking.compare import compare_runs

if TYPE_CHECKING:
    import pandas as pd

_MOST_OF_A_VALUE = 1000  # long, because values can differ in their middle
_FIXED = ("run", "name", "status", "started", "min")
_YEAR = len("2026-")  # a narrow table leaves it out
_GAP, _LEAST_ROOM = 3, 10  # columns between two cells, and the least width for numbers
_Row = tuple[list[str], list[str]]


def show_list(runs: "pd.DataFrame", *, searched: bool) -> None:
    """Print one row per run, with the metrics in the table.

    Args:
        runs: Result of `runs_table`, with only the metrics to show.
        searched: Whether there were conditions, so that an empty table means that no run matches.
    """
    if not len(runs):
        none = "no run matches" if searched else "no runs yet: multihead train starts one"
        say(none)
        return
    metrics = [c for c in runs.columns if c.startswith("metrics.")]
    names = [column.removeprefix("metrics.") for column in metrics]
    rows = [
        (_fixed(row), [_number(row[column]) for column in metrics])
        for row in runs.to_dict("records")
    ]
    screen = Screen()
    cells = [[*_FIXED, *names], *([*fixed, *figures] for fixed, figures in rows)]
    if sum(max(map(len, column)) + _GAP for column in zip(*cells, strict=True)) <= screen.width:
        shown = _wide_list(names, rows)
    else:
        shown = _narrow_list(names, rows, screen.width)
    screen.print(shown)


def _fixed(row: dict[Any, Any]) -> list[str]:
    """Return the cells of a run in the columns `_FIXED`."""
    minutes = "" if row["minutes"] != row["minutes"] else f"{row['minutes']:.1f}"
    started = "" if row["started"] != row["started"] else f"{row['started']:%Y-%m-%d %H:%M}"
    return [row["run"] or row["mlflow_id"], row["name"], row["status"], started, minutes]


def _wide_list(names: list[str], rows: list[_Row]) -> TextTable:
    """Return a table with a column for each metric."""
    shown = table()
    for title in _FIXED:
        shown.add_column(title, no_wrap=title != "name")
    for name in names:
        shown.add_column(name, justify="right")
    for fixed, figures in rows:
        shown.add_row(*fixed, *figures)
    return shown


def _narrow_list(names: list[str], rows: list[_Row], width: int) -> TextTable:
    """Return a table with the numbers of a run below its name, for a narrow terminal."""
    of_test = all(name.startswith("test/") and name.endswith("_acc") for name in names)
    heads = [n.removeprefix("test/").removesuffix("_acc") if of_test else n for n in names]
    title = "name, test accuracy" if of_test and names else "name, metrics"
    rows = [([*fixed[:3], fixed[3][_YEAR:], fixed[4]], figures) for fixed, figures in rows]
    others = [place for place, column in enumerate(_FIXED) if column != "name"]
    taken = sum(max(len(fixed[place]) for fixed, _ in rows) + _GAP for place in others)
    room = max(width - taken - _GAP, _LEAST_ROOM)
    shown = table()
    for column in _FIXED:
        shown.add_column(title if column == "name" else column, no_wrap=column != "name")
    for fixed, figures in rows:
        # A non-breaking space keeps a number beside its head.
        pairs = zip(heads, figures, strict=True)
        known = ", ".join(f"{head}\u00a0{figure}" for head, figure in pairs if figure)
        below = wrap(known, room)
        run, name, *rest = fixed
        shown.add_row(run, styled(name, *below), *rest)
    return shown


def show_checkpoints(run: str) -> None:
    """Print the names of a run's checkpoints, as `--checkpoint` takes them."""
    from multihead.tracking.checkpoint_names import checkpoint_names
    from multihead.tracking.find import find_run
    from multihead.tracking.store import Store

    store = Store()
    names = checkpoint_names(store, find_run(store, run))
    say(f"checkpoints: {', '.join(names) or 'none'}")


def show_comparison(runs: "pd.DataFrame") -> None:
    """Print the differing keys of the configurations, then metrics and their differences."""
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
