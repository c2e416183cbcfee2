"""`multihead compare`: write the page of an ablation for runs picked by hand."""

from pathlib import Path

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say


@click.command(
    "compare",
    epilog=examples("multihead compare 20261122-221503 20261122-223012 --out lr-report"),
)
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("comparison-report"),
    show_default=True,
    help="Folder to write to.",
)
def command(runs: tuple[str, ...], out: Path) -> None:
    """Write a report like that of an ablation for runs that you choose.

    Runs that differ only in the seed form one arm. The arm of the first run is the baseline. The
    page lists the rules of a fair comparison that these runs do not meet. To compare runs on the
    terminal, use `multihead runs RUN RUN...`.

    RUN is a run's id, MLflow's id, or a unique prefix of either.
    """
    from multihead.ablation.compare_runs import compare_by_hand
    from multihead.report.ablation import write

    result = compare_by_hand(runs)
    page = write(result, out)
    say(*result.comparison.sentences)
    unmet = [check.name for check in result.protocol if not check.met]
    say(f"not met of the protocol: {'; '.join(unmet)}")
    say(f"page     {page}")
