"""`multihead data`: make and look at datasets."""

import click

from multihead.cli.lazy import LazyGroup

COMMANDS = {
    "generate": ("multihead.cli.data_generate", "Make a dataset with known labels: resonator."),
}


@click.group("data", cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Make and look at datasets."""
