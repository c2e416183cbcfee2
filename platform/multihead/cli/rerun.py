"""`multihead rerun`: train a recorded run again, with its own configuration."""

import click

from multihead.cli.help import examples
from multihead.cli.overrides import Override, trust_option


@click.command(
    "rerun",
    epilog=examples("multihead rerun 20261122-221503", "multihead rerun 20261122-221503 seed=2"),
)
@click.argument("run_id", metavar="RUN")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", type=Override())
@trust_option
def command(run_id: str, overrides: tuple[str, ...], trust: tuple[str, ...]) -> None:
    """Train RUN again from its recorded configuration, as a new run.

    Before it trains, the command prints what differs from the first time: code, packages, data
    and numerics. KEY=VALUE, such as seed=2, changes the configuration. The new run has the tag
    multihead.rerun_of.

    RUN is a run's id, MLflow's id, or a unique prefix of either.
    """
    from multihead.cli.show import Terminal, end_interrupted, show_result
    from multihead.runs.rerun import rerun
    from multihead.training.interrupts import RunInterrupted

    try:
        show_result(rerun(run_id, overrides, trust=trust, announcer=Terminal()))
    except RunInterrupted as stop:
        end_interrupted(stop)
