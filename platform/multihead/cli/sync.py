"""`multihead sync`: send records to the store that runs could not send."""

import sys

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say


@click.command("sync", epilog=examples("multihead sync", "multihead sync 20261122-221503"))
@click.argument("run", required=False, metavar="[RUN]")
def command(run: str | None) -> None:
    """Send records that are still missing to the MLflow store.

    A run writes its record to its own folder first. If the store was not reachable, a part of
    the record is only there. Without RUN, the command sends such records of all runs in
    MULTIHEAD_HOME. With RUN (a run's id or a unique prefix), it sends those of one run, and
    uploads again the files that the store has lost.

    The exit code is 1 if something could not be sent.
    """
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
