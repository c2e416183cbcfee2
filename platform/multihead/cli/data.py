"""`multihead data`: look at datasets, check, convert and make them."""

import click

from multihead.cli.lazy import LazyGroup

COMMANDS = {
    "list": ("multihead.cli.data_list", "List the datasets of the data folder."),
    "inspect": ("multihead.cli.data_inspect", "Show what a dataset holds, and what to look at."),
    "validate": ("multihead.cli.data_validate", "Check all of a dataset; exit 1 on a problem."),
    "convert": ("multihead.cli.data_convert", "Write a dataset, or an image folder, as VIMH."),
    "shard": ("multihead.cli.data_shard", "Write a dataset as shards, in a folder or on S3."),
    "generate": ("multihead.cli.data_generate", "Make a dataset with known labels: resonator."),
}


@click.group("data", cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Look at datasets, check, convert and make them."""
