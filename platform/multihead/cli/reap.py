"""`multihead reap`: mark runs as KILLED whose process is gone."""

import click

from multihead.terminal.lines import say


@click.command("reap")
def command() -> None:
    """Mark runs as KILLED whose process is gone, here and in the store."""
    from multihead import settings
    from multihead.tracking.sync import reap_and_tell

    for done in reap_and_tell(settings.home()):
        say(f"run {done.run_id}  KILLED: its process is gone")
        if done.problem is not None:
            say(f"run {done.run_id}  the store is not told: {done.problem}", err=True)
