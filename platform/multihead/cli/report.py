"""`multihead report`: the page on an ablation, from its record, or on several."""

from pathlib import Path

import click

from multihead.terminal.lines import say


@click.command("report")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
def command(names: tuple[str, ...], out: Path | None) -> None:
    """Write the report on the ablation NAME: a page that needs no other file, and its tables.

    NAME is an ablation on record, or the folder of a report. The page is report.html, in the
    folder NAME-report unless --out names another. Beside it are the tables as CSV and Parquet, and
    all of it as Markdown.

    With several ablations, each of another data set, it is ranks.html in the folder ranks-report:
    how the arms rank over the data sets.
    """
    from multihead.files import inside
    from multihead.report.ablation import write
    from multihead.report.ablation_record import found_in
    from multihead.report.ranks import write_ranks

    results = [found_in(name) for name in names]
    if len(results) > 1:
        say(write_ranks(results, out or Path("ranks-report")))
        return
    own = inside(Path(), f"{results[0].name}-report", "the ablation's folder")
    say(write(results[0], out or own))
