"""`multihead restore`: bring back experiments and runs that were deleted in MLflow."""

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say


@click.command(
    "restore",
    epilog=examples(
        "multihead restore multihead_cnn_digits", "multihead restore 20261122-221503-a1b2c3"
    ),
)
@click.argument("what", metavar="EXPERIMENT|RUN")
def command(what: str) -> None:
    """Bring back an experiment or a run that was deleted in MLflow.

    EXPERIMENT is the name of an experiment, which comes back with its runs. RUN is the whole id
    of a run, or MLflow's id.
    """
    from multihead.tracking.restore import restore
    from multihead.tracking.store import Store

    say(f"{restore(Store(), what)} is back")
