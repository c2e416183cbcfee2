"""`multihead data inspect`: show a dataset on the terminal, as a page or as a picture."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.data.source import Source
    from multihead.inspection.inspect import Inspection
    from multihead.vimh.info import PixelOrder

FILE = click.Path(dir_okay=False, path_type=Path)
PICTURES = (".png", ".svg", ".pdf")


@click.command(
    "inspect",
    epilog=examples(
        "multihead data inspect photos/labels.csv data.columns.id=ignore",
        "multihead data inspect data/vimh-32x32x3_resonator --html page.html --png page.png",
        "multihead data inspect data=multi_mnist --split train",
    ),
)
@click.argument("where", nargs=-1, required=True, metavar="PATH | KEY=VALUE...")
@click.option("--html", type=FILE, help="Write an HTML page that needs no other file.")
@click.option(
    "--png",
    type=FILE,
    help="Write one picture with samples, labels and redundancy. The name ends in .png, .svg or "
    ".pdf.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "test", "all"]),
    default="all",
    show_default=True,
    help="Read only this split.",
)
@click.option(
    "--threshold",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Report a pair of heads if their normalised mutual information is at least this.",
)
@click.option(
    "--pixel-order",
    type=click.Choice(["HWC", "CHW"]),
    show_default="that of the metadata",
    help="Order of the bytes of an image in VIMH pickle files. Give it if their metadata do not.",
)
@click.option(
    "--samples",
    default=24,
    show_default=True,
    type=click.IntRange(0, 1000),
    help="Number of images that --html and --png show.",
)
def command(
    where: tuple[str, ...],
    html: Path | None,
    png: Path | None,
    split: str,
    threshold: float,
    pixel_order: "PixelOrder | None",
    samples: int,
) -> None:
    """Show the content of a dataset, and what is odd in it.

    PATH is the folder of a dataset, or the address s3://BUCKET/PREFIX of a dataset in shards.

    Or PATH is a table of your own images, or their folder. KEY=VALUE then changes keys of `data`,
    such as data.columns.id=ignore.

    Without PATH, KEY=VALUE names the dataset as in a training, such as data=multi_mnist.

    The command prints sizes, heads with ranges and units, and how often each label occurs. It
    reports images that occur twice, channels without content, and heads with the same content.
    """
    from multihead.cli.tables import save
    from multihead.datasets.table.source import is_own_table
    from multihead.errors import ConfigError
    from multihead.inspection.inspect import inspect_sources
    from multihead.report.dataset import save_dataset_picture, write_dataset_page

    if png is not None and png.suffix not in PICTURES:
        raise ConfigError(f"--png {png} has an unknown suffix; use one of {PICTURES}.")
    if is_own_table(Path(where[0])) or Path(where[0]).is_file():  # no dataset is a single file
        sources = _configured(where[1:], split, table=where[0])
    elif "=" in where[0] and not Path(where[0]).exists():
        sources = _configured(where, split)
    else:
        sources = _stored(where, split, pixel_order)
    inspection = inspect_sources(sources, threshold=threshold, samples=samples)
    if html is not None:
        save(html, partial(write_dataset_page, inspection))
    if png is not None:
        save(png, partial(save_dataset_picture, inspection))
    _show(inspection)
    for file in (html, png):
        if file is not None:
            say(f"wrote {file}")


def _stored(
    where: tuple[str, ...], split: str, pixel_order: "PixelOrder | None"
) -> "dict[str, Source]":
    from multihead.datasets.formats import read_sources
    from multihead.errors import ConfigError

    if len(where) > 1:
        raise ConfigError(f"there are {len(where)} folders, {', '.join(where)}; name only one.")
    return dict(read_sources(where[0], pixel_order, wanted=split).items())


def _configured(
    overrides: tuple[str, ...], split: str, table: str | None = None
) -> "dict[str, Source]":
    from multihead.runs.build import build_data
    from multihead.runs.config import compose_run
    from multihead.runs.sections import RunConfig

    if table is None:
        chosen = any(text.startswith(("data=", "experiment=")) for text in overrides)
        own = not chosen and any(text.startswith("data.table=") for text in overrides)
        config = compose_run(["data=table", *overrides] if own else overrides)
    else:
        config = compose_run(["data=table", *overrides])
        config["data"]["table"] = str(Path(table).absolute())
    data = build_data(RunConfig.checked(config).data)
    sources = {}
    _show_columns(data.train_source, len(data.train_indices), len(data.val_indices))
    if split in ("train", "all"):
        sources["train"] = data.train_source
    if split in ("test", "all"):
        sources["test"] = data.test_source
    return sources


def _show_columns(source: "Source", training: int, validation: int) -> None:
    """Print the use of each column of a table, and oddities."""
    from multihead.cli.tables import show_columns
    from multihead.data.source import DescribesColumns
    from multihead.inspection.inspect import notes_of

    if not isinstance(source, DescribesColumns):
        return
    show_columns(source.described)
    for note in notes_of(source):
        say(f"- {note}")
    say(f"training file: {training:,} pictures for training, {validation:,} for validation", "")


def _show(inspection: "Inspection") -> None:
    from multihead.cli.tables import show_table
    from multihead.inspection.findings import balance_table, channels_table, findings, heads_table

    channels, height, width = inspection.image_shape
    counts = ", ".join(f"{facts.count:,} {name}" for name, facts in inspection.splits.items())
    say(f"{inspection.name}: {counts}; images {height}x{width}x{channels} (HxWxC)", "")
    formats = {"labels": "{:,}", "labelled": "{:.1%}"}
    show_table(heads_table(inspection), "heads", formats)
    shares = {"most": "{:.2%}", "fewest": "{:.2%}", "imbalance": "{:.2f}", "evenness": "{:.3f}"}
    show_table(balance_table(inspection), "labels", {"labelled": "{:,}", "seen": "{:,}", **shares})
    figures = {"min": "{:.0f}", "max": "{:.0f}", "mean": "{:.2f}", "std": "{:.2f}"}
    show_table(channels_table(inspection), "channels", figures)
    nmi = inspection.nmi
    if 1 < len(nmi) <= 12:
        frame = nmi.rename_axis("head").reset_index()
        title = "normalised mutual information, 2 I(A; B) / (H(A) + H(B))"
        show_table(frame, title, dict.fromkeys(nmi.columns, "{:.3f}"))
    for text in findings(inspection) or ["nothing is odd"]:
        say(f"- {text}")
