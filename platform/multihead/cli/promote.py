"""`multihead promote`: register a run's model under a name."""

import click

from multihead.cli.overrides import checkpoint_option, trust_option
from multihead.terminal.lines import say


@click.command("promote")
@click.argument("run", metavar="RUN")
@click.option("--name", required=True, help="Of the registered model; made if it is not there.")
@click.option("--alias", help="Such as champion; it moves to this version.")
@checkpoint_option
@trust_option
def command(
    run: str, name: str, alias: str | None, checkpoint: str | None, trust: tuple[str, ...]
) -> None:
    """Register the best checkpoint of RUN, so that it can be served by name.

    RUN is a run's id, MLflow's id, or a unique prefix of either. A checkpoint without test
    metrics is refused.
    """
    from multihead.serving.promote import promote

    made = promote(run, name, alias=alias, trust=trust, checkpoint=checkpoint)
    say(f"{made.uri}  version {made.version}, model {made.model_id}")
    say(f"serve it with: multihead serve {made.uri}")
