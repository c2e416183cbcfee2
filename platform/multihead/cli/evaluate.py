"""`multihead evaluate`: test a run or a checkpoint, and record that the test split was read."""

from typing import Any

import click

from multihead.cli.overrides import Override, split_checkpoint, split_trust


@click.command(
    "evaluate",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("overrides", nargs=-1, type=Override())
def command(overrides: tuple[str, ...]) -> None:
    """Test a run's best checkpoint (`run=<run id>`), or any checkpoint (`ckpt_path=FILE`).

    `--checkpoint NAME` takes another checkpoint of the run, such as last or best-<head>.
    A run whose record names a class that is none of ours takes `--trust TARGET`.
    """
    from multihead.cli.hydra_app import run_hydra
    from multihead.runs.config import split_run

    trust, arguments = split_trust(overrides)
    checkpoint, arguments = split_checkpoint(arguments)
    run, others = split_run(arguments)
    if trust and run is None:
        raise click.UsageError("--trust is for records: evaluate run=<run id> --trust TARGET.")
    if checkpoint is not None and run is None:
        raise click.UsageError("--checkpoint is of a run: evaluate run=<run id> --checkpoint NAME.")
    if run is None:
        run_hydra("evaluate", _evaluate, others)
    else:
        from multihead.runs.evaluation import evaluation_config

        _evaluate(evaluation_config(run, others, trust, checkpoint))


def _evaluate(config: dict[str, Any]) -> None:
    # Only now, so that what does not compose is refused at once.
    from multihead.cli.show import Terminal, end_interrupted, show_result
    from multihead.runs.execute import execute
    from multihead.training.interrupts import RunInterrupted

    try:
        result = execute({**config, "train": False, "test": True}, announcer=Terminal())
    except RunInterrupted as stop:
        end_interrupted(stop)
    show_result(result)
