"""`multihead reap`: end the runs whose process or folder is gone."""

import click

from multihead.terminal.lines import say


@click.command("reap")
@click.argument("run", required=False)
def command(run: str | None) -> None:
    """Mark runs as KILLED whose process is gone, and as FAILED whose folder is gone.

    With RUN, that one alone is marked as FAILED, wherever it ran: for a run whose machine is gone.
    """
    from multihead import settings
    from multihead.tracking.reap import fail_lost, fail_named
    from multihead.tracking.store import Store
    from multihead.tracking.sync import reap_and_tell, tell_ended

    if run is not None:
        say(f"run {fail_named(Store(), run)}  FAILED: its folder is gone")
        return
    for done in reap_and_tell(settings.home()):
        say(f"run {done.run_id}  KILLED: its process is gone")
        if done.problem is not None:
            say(f"run {done.run_id}  the store is not told: {done.problem}", err=True)
    for run_id in fail_lost(Store()):
        say(f"run {run_id}  FAILED: its folder is gone")
    for done in tell_ended(Store()):
        said = "had ended; the store knows now" if done.problem is None else done.problem
        say(f"run {done.run_id}  {said}", err=done.problem is not None)
