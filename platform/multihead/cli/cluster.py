"""`multihead cluster`: what a cluster needs to work on a study."""

import click

from multihead.cli.lazy import LazyGroup

COMMANDS = {
    "manifest": ("multihead.cli.cluster_manifest", "Write a Kubernetes Job for a study's workers."),
}


@click.group("cluster", cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Write what a cluster needs to work on a study."""
