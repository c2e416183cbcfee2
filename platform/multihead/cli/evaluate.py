"""`multihead evaluate`: test a run or a checkpoint, and record the use of the test split."""

from typing import Any

import click

from multihead.cli.help import HydraCommand, examples
from multihead.cli.overrides import CHECKPOINT, TRUST, Override, split_checkpoint, split_trust


@click.command(
    "evaluate",
    cls=HydraCommand,
    shown=[CHECKPOINT, TRUST],
    own_help=True,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=examples(
        "multihead evaluate run=20261122-221503",
        "multihead evaluate run=20261122-221503 --checkpoint last data=multihead_mnist",
        "multihead evaluate ckpt_path=best.ckpt experiment=multihead_cnn_digits",
    ),
)
@click.argument(
    "overrides", nargs=-1, type=Override(), metavar="run=RUN | ckpt_path=FILE [KEY=VALUE]..."
)
def command(overrides: tuple[str, ...]) -> None:
    """Test a checkpoint on the test split, and record a run of the kind `evaluation`.

    With run=RUN, the command tests the best checkpoint of a recorded run, with the configuration
    of that run. KEY=VALUE changes it, for example the data. RUN is a run's id, MLflow's id, or a
    unique prefix of either. --checkpoint and --trust need run=RUN.

    With ckpt_path=FILE, the command tests any checkpoint file. Give the configuration as
    KEY=VALUE. The options of Hydra work as for `multihead train`.

    `multihead train --help` lists the keys.
    """
    from multihead.cli.hydra_app import run_hydra
    from multihead.runs.config import split_run

    trust, arguments = split_trust(overrides)
    checkpoint, arguments = split_checkpoint(arguments)
    run, others = split_run(arguments)
    if trust and run is None:
        raise click.UsageError("--trust needs run=: evaluate run=<run id> --trust TARGET.")
    if checkpoint is not None and run is None:
        raise click.UsageError("--checkpoint needs run=: evaluate run=<run id> --checkpoint NAME.")
    if run is None:
        run_hydra("evaluate", _evaluate, others)
    else:
        from multihead.runs.evaluation import evaluation_config

        _evaluate(evaluation_config(run, others, trust, checkpoint))


def _evaluate(config: dict[str, Any]) -> None:
    # Imported late, so that configuration errors appear at once.
    from multihead.cli.show import Terminal, end_interrupted, show_result
    from multihead.runs.execute import execute
    from multihead.training.interrupts import RunInterrupted

    try:
        result = execute({**config, "train": False, "test": True}, announcer=Terminal())
    except RunInterrupted as stop:
        end_interrupted(stop)
    show_result(result)
