"""`multihead reap`: mark runs as ended if their process or folder is gone."""

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say


@click.command("reap", epilog=examples("multihead reap", "multihead reap 20261122-221503"))
@click.argument("run", required=False, metavar="[RUN]")
def command(run: str | None) -> None:
    """Close the records of runs that died without recording their end.

    Without RUN, the command checks the runs of MULTIHEAD_HOME that are RUNNING. It marks a run as
    KILLED if its process is gone, and as FAILED if its folder is gone.

    With RUN, the command marks this one RUNNING run as FAILED, on whatever machine it ran. Use it
    if that machine or its MULTIHEAD_HOME is gone. RUN is a run's id, MLflow's id, or a unique
    prefix of either.
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
            say(f"run {done.run_id}  the store is not updated: {done.problem}", err=True)
    for run_id in fail_lost(Store()):
        say(f"run {run_id}  FAILED: its folder is gone")
    for done in tell_ended(Store()):
        said = "had ended; the store is updated now" if done.problem is None else done.problem
        say(f"run {done.run_id}  {said}", err=done.problem is not None)
