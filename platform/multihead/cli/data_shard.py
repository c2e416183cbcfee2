"""`multihead data shard`: write a dataset in shards, which a training reads as it needs them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.vimh.info import PixelOrder


@click.command(
    "shard",
    epilog=examples(
        "multihead data shard data/vimh-32x32x3_resonator data/shards",
        "multihead data shard data/vimh-32x32x3_resonator s3://my-bucket/resonator",
    ),
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--rows-per-shard",
    type=click.IntRange(min=1),
    show_default="as many as fill 8 MiB",
    help="Number of samples in a shard.",
)
@click.option("--overwrite", is_flag=True, help="Replace DST if it is a dataset in shards.")
@click.option(
    "--pixel-order",
    type=click.Choice(["HWC", "CHW"]),
    show_default="that of the metadata",
    help="Order of the bytes of an image in VIMH pickle files. Give it if their metadata do not.",
)
def command(
    source: str,
    target: str,
    rows_per_shard: int | None,
    overwrite: bool,
    pixel_order: "PixelOrder | None",
) -> None:
    """Write the dataset SRC as VIMH in shards to DST.

    SRC is the folder of a dataset in any format that `multihead data list` knows, or the address
    of one in shards. DST is a new folder, or an address s3://BUCKET/PREFIX. The endpoint and the
    credentials of S3 come from the environment.

    The command reads the shards again and compares them. DST appears complete or not at all. To
    train on it, set data=vimh_stream and data.data_dir=DST.
    """
    from multihead.data.source_function import is_address
    from multihead.datasets.convert import refuse_same_place, shard, sources_content
    from multihead.datasets.formats import read_sources

    if not (is_address(source) or is_address(target)):
        refuse_same_place(Path(source), Path(target))
    content = sources_content(read_sources(source, pixel_order))
    written = shard(content, target, rows_per_shard, overwrite=overwrite)
    shown = ", ".join(
        f"{int(there.starts[-1]):,} {split} in {len(there.shards):,} shards"
        for split, there in written.splits.items()
    )
    heads = ", ".join(f"{name} ({levels})" for name, levels in content.heads.levels.items())
    say(f"wrote {target}: {shown}; heads {heads}; read again and equal")
