"""`multihead rerun`: a recorded run once more, with its own configuration."""

import click

from multihead.cli.overrides import Override, trust_option


@click.command("rerun")
@click.argument("run_id", metavar="RUN")
@click.argument("overrides", nargs=-1, type=Override())
@trust_option
def command(run_id: str, overrides: tuple[str, ...], trust: tuple[str, ...]) -> None:
    """Train RUN again from its recorded configuration, and say what differs from then.

    RUN is a run's id, MLflow's id, or a unique prefix of either; OVERRIDES such as seed=2 change
    its configuration. The new run has the tag multihead.rerun_of.
    """
    from multihead.cli.show import Terminal, end_interrupted, show_result
    from multihead.runs.rerun import rerun
    from multihead.training.interrupts import RunInterrupted

    try:
        show_result(rerun(run_id, overrides, trust=trust, announcer=Terminal()))
    except RunInterrupted as stop:
        end_interrupted(stop)
