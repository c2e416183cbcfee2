"""`multihead report`: the page on an ablation, from its record."""

from pathlib import Path

import click

from multihead.terminal.lines import say


@click.command("report")
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
def command(name: str, out: Path | None) -> None:
    """Write the report on the ablation NAME: a page that needs no other file, and its tables.

    The page is report.html, in the folder NAME-report unless --out names another. Beside it are
    the tables as CSV and Parquet, and all of it as Markdown.
    """
    from multihead.files import inside
    from multihead.report.ablation import write
    from multihead.report.ablation_record import recorded

    found = recorded(name)
    own = inside(Path(), f"{found.name}-report", "the ablation's folder")
    say(write(found, out or own))
