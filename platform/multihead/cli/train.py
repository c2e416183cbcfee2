"""`multihead train`: train one run, or one run for each job of a multirun."""

from typing import Any

import click

from multihead.cli.help import HydraCommand
from multihead.cli.overrides import TRUST, Override, split_trust


@click.command(
    "train",
    cls=HydraCommand,
    shown=[TRUST],
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("overrides", nargs=-1, type=Override())
def command(overrides: tuple[str, ...]) -> None:
    """Train, test and record a network; `resume=RUN` continues a run.

    Hydra prints the help, which is in `experiments/train.yaml`.
    """
    from multihead.cli.hydra_app import run_hydra
    from multihead.runs.config import split_run

    trust, arguments = split_trust(overrides)
    resumed, others = split_run(arguments, "resume")
    if trust and resumed is None:
        raise click.UsageError("--trust needs resume=: train resume=<run id> --trust TARGET.")
    if resumed is None:
        run_hydra("train", _train, others)
    else:
        from multihead.runs.api import resumed_config

        run_id, config = resumed_config(resumed, others, trust)
        _train(config, run_id)


def _train(config: dict[str, Any], resume: str | None = None) -> float | None:
    # Imported late, so that configuration errors appear at once.
    from multihead.cli.show import Terminal, end_interrupted, show_result
    from multihead.runs.execute import execute
    from multihead.training.interrupts import RunInterrupted

    try:
        result = execute(config, resume=resume, announcer=Terminal())
    except RunInterrupted as stop:
        end_interrupted(stop)
    show_result(result)
    return result.optimized_value
