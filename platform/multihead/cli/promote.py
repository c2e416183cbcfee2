"""`multihead promote`: register a run's model under a name."""

import click

from multihead.cli.help import examples
from multihead.cli.overrides import checkpoint_option, trust_option
from multihead.terminal.lines import say


@click.command(
    "promote",
    epilog=examples("multihead promote 20261122-221503 --name digits --alias champion"),
)
@click.argument("run", metavar="RUN")
@click.option("--name", required=True, help="Name of the registered model. A new name creates one.")
@click.option(
    "--alias",
    help="Give the new version this alias, such as champion. An older version loses it.",
)
@checkpoint_option
@trust_option
def command(
    run: str, name: str, alias: str | None, checkpoint: str | None, trust: tuple[str, ...]
) -> None:
    """Register the model of RUN in MLflow, as a new version under a name.

    `multihead serve` can then load it by that name. RUN is a run's id, MLflow's id, or a unique
    prefix of either. The checkpoint must have been tested.
    """
    from multihead.serving.promote import promote

    made = promote(run, name, alias=alias, trust=trust, checkpoint=checkpoint)
    say(f"{made.uri}  version {made.version}, model {made.model_id}")
    say(f"serve it with: multihead serve {made.uri}")
