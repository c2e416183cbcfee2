"""`multihead runs`: the runs as a table, side by side, or as a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

FORMATS = ("table", "csv", "json", "parquet")


@click.command("runs")
@click.argument("ids", nargs=-1, metavar="[RUN]...")
@click.option("--experiment", help="Only runs of this MLflow experiment.")
@click.option("--filter", "condition", default="", help="In MLflow's filter language.")
@click.option("--limit", default=20, show_default=True, help="Newest runs shown.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
def command(
    ids: tuple[str, ...],
    experiment: str | None,
    condition: str,
    limit: int,
    form: str,
    out: Path | None,
) -> None:
    """List the newest runs, or compare those named.

    RUN is a run's id, MLflow's id, or a unique prefix of either.
    """
    from multihead import settings
    from multihead.errors import ConfigError
    from multihead.tracking.query import picked_runs, runs_table
    from multihead.tracking.sync import reap_and_tell

    reap_and_tell(settings.home())
    if ids:
        table = picked_runs(ids)
    else:
        table = runs_table(experiment=experiment, filter=condition, limit=limit)
    if form == "table":
        if out is not None:
            raise ConfigError("--out writes files; choose --format csv, json or parquet with it.")
        (_show_comparison if len(ids) > 1 else _show_list)(table)
        return
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise ConfigError("parquet is binary; name a file with --out, or pipe it.")
    try:
        _write(table, form, out)
    except OSError as error:
        raise ConfigError(
            f"--out {out} cannot be written to ({error.strerror or error})."
        ) from error


def _write(table: "pd.DataFrame", form: str, out: Path | None) -> None:
    if form == "parquet":
        table.to_parquet(out if out is not None else sys.stdout.buffer, index=False)
        return
    if form == "csv":
        text = table.to_csv(index=False)
    else:
        text = table.to_json(orient="records", date_format="iso", indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)


def _show_list(table: "pd.DataFrame") -> None:
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    best = [c for c in table.columns if c.startswith("metrics.test/") and c.endswith("_acc")]
    for title in ("run", "name", "status", "started", "min"):
        shown.add_column(title, no_wrap=title != "name")
    for column in best:
        shown.add_column(column.removeprefix("metrics."), justify="right")
    for row in table.to_dict("records"):
        minutes = "" if row["minutes"] != row["minutes"] else f"{row['minutes'] or 0:.1f}"
        figures = ["" if row[c] != row[c] else f"{row[c]:.4f}" for c in best]
        started = f"{row['started']:%Y-%m-%d %H:%M}"
        shown.add_row(row["run"], row["name"], row["status"], started, minutes, *figures)
    _console().print(shown if len(table) else "no runs yet: multihead train starts one")


def _show_comparison(table: "pd.DataFrame") -> None:
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("")
    for run, name in zip(table["run"], table["name"], strict=True):
        shown.add_column(f"{name}\n{run}", overflow="fold")
    for column in table.columns:
        values = ["" if v != v else v for v in table[column]]
        if column.startswith("params.") and len(set(map(str, values))) > 1:
            shown.add_row(column.removeprefix("params."), *map(str, values))
    shown.add_section()
    for column in table.columns:
        if column.startswith("metrics."):
            values = ["" if v != v else f"{v:.4f}" for v in table[column]]
            shown.add_row(column.removeprefix("metrics."), *values)
    _console().print(shown)


def _console() -> "Console":
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=200)
