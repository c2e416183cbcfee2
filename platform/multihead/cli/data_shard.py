"""`multihead data shard`: a dataset as shards that are read as they are trained on."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.vimh.info import PixelOrder


@click.command("shard")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--rows-per-shard",
    type=click.IntRange(min=1),
    help="Rows of a shard; as many as make 8 MiB if not given.",
)
@click.option("--overwrite", is_flag=True, help="Replace a set in shards that is at DST.")
@click.option(
    "--pixel-order",
    type=click.Choice(["HWC", "CHW"]),
    help="Of pickles whose metadata do not say.",
)
def command(
    source: str,
    target: str,
    rows_per_shard: int | None,
    overwrite: bool,
    pixel_order: "PixelOrder | None",
) -> None:
    """Write the dataset SRC as VIMH in shards to DST.

    SRC is a folder of any format that `data list` knows. DST is a new folder, or s3://BUCKET/PREFIX
    with endpoint and credentials from the environment. Either may be a set in shards. The set
    appears whole or not at all; what was written is read again and compared.

    Train on it with `data=vimh_stream data.data_dir=DST`.
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
