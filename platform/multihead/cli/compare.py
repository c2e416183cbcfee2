"""`multihead compare`: the page of an ablation, on runs picked by hand."""

from pathlib import Path

import click

from multihead.terminal.lines import say


@click.command("compare")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("comparison-report"),
    show_default=True,
    help="Folder to write to.",
)
def command(runs: tuple[str, ...], out: Path) -> None:
    """Write a report on some runs: those that differ in the seed alone are one arm.

    RUN is a run's id, MLflow's id, or a unique prefix of either. The arm of the first one is the
    baseline. The page says which parts of a fair comparison picked runs cannot meet; for tables
    on the terminal there is `multihead runs RUN RUN...`.
    """
    from multihead.ablation.compare_runs import compare_by_hand
    from multihead.report.ablation import write

    result = compare_by_hand(runs)
    page = write(result, out)
    say(*result.comparison.sentences)
    unmet = [check.name for check in result.protocol if not check.met]
    say(f"not met of the protocol: {'; '.join(unmet)}")
    say(f"page     {page}")
