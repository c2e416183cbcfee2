"""`multihead report`: write the page on a recorded ablation, or on several."""

from pathlib import Path

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say


@click.command(
    "report",
    epilog=examples(
        "multihead report digits_single_vs_multitask",
        "multihead report balancers_mnist balancers_cifar10 balancers_multi_mnist --out ranks",
    ),
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="NAME-report; ranks-report for several",
    help="Folder to write to.",
)
def command(names: tuple[str, ...], out: Path | None) -> None:
    """Write the report of the ablation NAME.

    NAME is the name of a recorded ablation, or a folder with a report. The folder of --out gets
    report.html, which needs no other file, the same text as Markdown, and the tables as CSV and
    Parquet.

    With several names, the command ranks the arms over the ablations instead, and writes
    ranks.html. Each ablation must use another dataset.
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
