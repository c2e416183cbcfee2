"""`multihead restore`: bring back what was deleted in MLflow."""

import click

from multihead.terminal.lines import say


@click.command("restore")
@click.argument("what", metavar="EXPERIMENT|RUN")
def command(what: str) -> None:
    """Bring back an experiment (by its name) or a run (by its id) that was deleted in MLflow."""
    from multihead.tracking.restore import restore
    from multihead.tracking.store import Store

    say(f"{restore(Store(), what)} is back")
