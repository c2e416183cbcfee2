"""`multihead runs`: list runs, compare them side by side, or write them to a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from multihead.cli.help import examples

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("table", "csv", "json", "parquet")
KINDS = ("run", "evaluation", "trial", "confirm", "study", "arm", "ablation", "soup")
STATUSES = ("RUNNING", "FINISHED", "FAILED", "KILLED")


@click.command(
    "runs",
    epilog=examples(
        "multihead runs --metric 'test/digit_acc>0.9' --sort test/digit_acc",
        "multihead runs 20261122-221503 20261122-223012",
        "multihead runs --study digits_quick --format csv --out trials.csv",
    ),
)
@click.argument("ids", nargs=-1, metavar="[RUN]...")
@click.option("--experiment", help="Only runs of this MLflow experiment.")
@click.option("--study", help="Only runs of this study.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    help="Only runs with this tag (from `tags`), or with this MLflow tag, written KEY=VALUE. "
    "Repeat the option for several tags.",
)
@click.option("--kind", type=click.Choice(KINDS), help="Only runs of this kind.")
@click.option(
    "--status",
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Only runs with this status.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Only runs that meet this condition, such as 'test/digit_acc>0.9'. "
    "Repeat the option for several conditions.",
)
@click.option(
    "--filter",
    "condition",
    default="",
    help="Only runs that meet this condition in MLflow's filter language.",
)
@click.option(
    "--sort",
    default="started",
    show_default=True,
    help="Sort by a metric (best value first), params.NAME, name, started or status. Add asc or "
    "desc for the order, such as 'name desc'.",
)
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="Largest number of runs."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How to write the table. csv, json and parquet have every metric and parameter.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="standard output",
    help="File to write, for csv, json and parquet.",
)
def command(
    ids: tuple[str, ...],
    experiment: str | None,
    study: str | None,
    tags: tuple[str, ...],
    kind: str | None,
    status: str | None,
    metrics: tuple[str, ...],
    condition: str,
    sort: str,
    limit: int,
    form: str,
    out: Path | None,
) -> None:
    """List runs, show one run, or compare several.

    Without RUN, the command lists the newest runs. The options select and sort them. A run must
    meet all conditions.

    With one RUN, it shows the run and the names of its checkpoints.

    With several, it shows first where their configurations differ, then the metrics of each head
    with the difference from the first run.

    RUN is a run's id, MLflow's id, or a unique prefix of either.
    """
    from multihead import settings
    from multihead.cli.runs_show import show_checkpoints, show_comparison, show_list
    from multihead.errors import ConfigError
    from multihead.tracking import conditions
    from multihead.tracking.query import picked_runs, runs_table
    from multihead.tracking.sync import reap_and_tell

    reap_and_tell(settings.home())
    parts = [condition] if condition else []
    parts += [conditions.metric_condition(text) for text in metrics]
    parts += [conditions.tag_condition(text) for text in tags]
    parts += [conditions.study_condition(study)] if study is not None else []
    parts += [conditions.kind_condition(kind)] if kind is not None else []
    parts += [f"attributes.status = '{status}'"] if status is not None else []
    whole = " AND ".join(parts)
    if ids and (whole or experiment is not None):
        raise ConfigError("runs cannot be both named and searched for; leave out one of the two.")
    _check_output(form, out)
    shown = ["test/*_acc"] if form == "table" and len(ids) < 2 else None
    if ids:
        table = picked_runs(ids, metrics=shown)
    else:
        table = runs_table(
            experiment=experiment,
            filter=whole,
            sort=sort,
            limit=limit,
            metrics=shown,
            params=[] if form == "table" else None,
        )
    if form != "table":
        _write(table, form, out)
    elif len(ids) > 1:
        show_comparison(table)
    else:
        show_list(table, searched=bool(whole or experiment))
        if ids:
            show_checkpoints(ids[0])


def _check_output(form: str, out: Path | None) -> None:
    from multihead.errors import ConfigError

    if form == "table" and out is not None:
        raise ConfigError("--out writes files; choose --format csv, json or parquet with it.")
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise ConfigError("parquet is binary; name a file with --out, or use a pipe.")


def _write(table: "pd.DataFrame", form: str, out: Path | None) -> None:
    from multihead.errors import ConfigError
    from multihead.spreadsheet import csv_text, json_text
    from multihead.terminal.lines import write_document

    try:
        if form == "parquet":
            table.to_parquet(out if out is not None else sys.stdout.buffer, index=False)
            return
        text = csv_text(table) if form == "csv" else json_text(table)
        if out is None:
            write_document(text)
        else:
            out.write_text(text, encoding="utf-8")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(
            f"--out {out} cannot be written to ({error.strerror or error})."
        ) from error
