"""`multihead data`: inspect, check, convert and generate datasets."""

import click

from multihead.cli.help import examples
from multihead.cli.lazy import LazyGroup

COMMANDS = {
    "list": ("multihead.cli.data_list", "List the datasets in a folder."),
    "inspect": ("multihead.cli.data_inspect", "Show the content of a dataset and its oddities."),
    "validate": ("multihead.cli.data_validate", "Check every byte of a dataset for problems."),
    "convert": ("multihead.cli.data_convert", "Write a dataset, or images with a table, as VIMH."),
    "shard": ("multihead.cli.data_shard", "Write a dataset in shards, to a folder or to S3."),
    "generate": (
        "multihead.cli.data_generate",
        "Make a dataset with known labels: resonator or shapes.",
    ),
}


@click.group(
    "data",
    cls=LazyGroup,
    lazy=COMMANDS,
    epilog=examples("multihead data list", "multihead data inspect photos/labels.csv"),
)
def command() -> None:
    """List, inspect, validate, convert, shard and generate datasets."""
