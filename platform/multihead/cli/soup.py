"""`multihead soup`: average the weights of a study's best trials, and record a run."""

from typing import TYPE_CHECKING

import click

from multihead.cli.help import examples
from multihead.cli.overrides import trust_option
from multihead.terminal.lines import say

if TYPE_CHECKING:
    import pandas as pd

    from multihead.studies.create_or_resume import OpenStudy

_MOST_METRICS = 4  # each on two splits, so that they fit on a line


@click.command(
    "soup",
    epilog=examples(
        "multihead soup mnist_loss_weights --best 5",
        "multihead soup mnist_loss_weights --best 5 --greedy",
    ),
)
@click.argument("name", metavar="STUDY")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--best", "count", required=True, type=click.IntRange(1), help="Number of trials to average."
)
@click.option(
    "--greedy",
    is_flag=True,
    help="Add the trials one by one, the best first. Leave out each trial that lowers the "
    "validation score.",
)
@trust_option
def command(
    name: str, overrides: tuple[str, ...], count: int, greedy: bool, trust: tuple[str, ...]
) -> None:
    """Average the weights of the best trials of STUDY, and record the average as a run.

    The command chooses the trials by their validation score, and tests the average once. The
    trials must have the same architecture.

    STUDY is the name or the YAML file that `multihead study` got. If the study had name=... or
    storage=..., give these as KEY=VALUE again.
    """
    from multihead.cli.show import Terminal, end_interrupted
    from multihead.studies.create_or_resume import load
    from multihead.studies.definition import load_definition
    from multihead.studies.soup_run import make_soup
    from multihead.training.interrupts import RunInterrupted

    opened = load(load_definition(name, overrides), trust)
    try:
        soup = make_soup(opened, count, greedy=greedy, announcer=Terminal())
    except RunInterrupted as stop:
        end_interrupted(stop)
    _show(opened, soup.table)
    left = soup.table.loc[soup.table["in_soup"].eq(False), "what"]
    if len(left):
        say(f"left out, because they lower the validation score: {', '.join(left)}")
    say(f"run      {soup.result.run_id}", f"link     {soup.result.url or soup.result.folder}")
    say(f"weights  {soup.result.best_checkpoint}")


def _show(opened: "OpenStudy", table: "pd.DataFrame") -> None:
    from multihead.cli.tables import show_table
    from multihead.metrics.registry import METRICS, judging

    wanted = [name.partition("/")[2].removesuffix("_best") for name in opened.definition.objectives]
    for head in opened.plan.heads:
        judge = judging([name for name in METRICS if f"val/{head}_{name}" in table])
        wanted += [] if judge is None else [f"{head}_{judge.name}"]
    shown = list(dict.fromkeys(wanted))[:_MOST_METRICS]
    columns = [f"{split}/{name}" for name in shown for split in ("val", "test")]
    columns = [column for column in columns if column in table]
    show_table(
        table[["what", *columns]],
        "chosen by validation, then each tested once",
        dict.fromkeys(columns, "{:.4f}"),
    )
