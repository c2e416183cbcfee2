"""`multihead sync`: send what runs could not send to the store themselves."""

import sys

import click

from multihead.terminal.lines import say


@click.command("sync")
@click.argument("run", required=False)
def command(run: str | None) -> None:
    """Send what is unsent of RUN (its id or a unique prefix), or of all runs here."""
    from multihead import settings
    from multihead.tracking.find import local_run
    from multihead.tracking.sync import sync

    home = settings.home()
    failed = False
    for done in sync(home, None if run is None else local_run(home, run)):
        if done.problem is None:
            say(f"run {done.run_id}  is in the store ({done.sent} requests)")
        else:
            failed = True
            say(f"run {done.run_id}  {done.problem}", err=True)
    if failed:
        sys.exit(1)
