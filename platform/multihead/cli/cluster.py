"""`multihead cluster`: the files that a cluster needs for a study."""

import click

from multihead.cli.help import examples
from multihead.cli.lazy import LazyGroup

COMMANDS = {
    "manifest": (
        "multihead.cli.cluster_manifest",
        "Write a Kubernetes Job for the workers of a study.",
    ),
}


@click.group(
    "cluster",
    cls=LazyGroup,
    lazy=COMMANDS,
    epilog=examples("multihead cluster manifest --workers 4 mnist_loss_weights"),
)
def command() -> None:
    """Write manifests for running a study on a cluster."""
