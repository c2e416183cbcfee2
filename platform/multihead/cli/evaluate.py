"""`multihead evaluate`: test a checkpoint, and record that the test split was read."""

from typing import Any

import click

from multihead.cli.overrides import Override


@click.command(
    "evaluate",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("overrides", nargs=-1, type=Override())
def command(overrides: tuple[str, ...]) -> None:
    """Test a checkpoint."""
    from multihead.cli.hydra_app import run_hydra
    from multihead.cli.show import Terminal, end_interrupted, show_result
    from multihead.runs.execute import execute
    from multihead.training.interrupts import RunInterrupted

    def finish(config: dict[str, Any]) -> None:
        show_result(execute({**config, "train": False, "test": True}, announcer=Terminal()))

    try:
        run_hydra("evaluate", finish, overrides)
    except RunInterrupted as stop:
        end_interrupted(stop)
