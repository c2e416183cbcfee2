"""`multihead data convert`: any dataset, or pictures with a CSV file, written as VIMH."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from multihead.errors import ConfigError
from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.datasets.parameter_table import ColumnRules
    from multihead.vimh.info import PixelOrder
    from multihead.vimh.source import Form

FORMS: "dict[str, tuple[Form, ...]]" = {
    "vimh": ("binary",),
    "vimh-pickle": ("pickle",),
    "vimh-both": ("binary", "pickle"),
}
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)


@click.command("convert")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.option("--to", "to", type=click.Choice(list(FORMS)), default="vimh", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace a dataset that is at DST.")
@click.option(
    "--pixel-order",
    type=click.Choice(["HWC", "CHW"]),
    help="Of pickles whose metadata do not say.",
)
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    help="The parameters of an image folder; its only CSV file if not given.",
)
@click.option("--classes", multiple=True, metavar="NAME", help="This column is classes.")
@click.option("--range", "ranges", multiple=True, metavar="NAME=MIN:MAX")
@click.option("--log", multiple=True, metavar="NAME", help="Levels spaced logarithmically.")
@click.option("--unit", "units", multiple=True, metavar="NAME=UNIT")
@click.option("--size", metavar="HxW", help="Scale pictures; otherwise all must be alike.")
@click.option(
    "--test-fraction", default=0.2, show_default=True, type=click.FloatRange(0, 1, max_open=True)
)
@click.option("--seed", default=0, show_default=True, help="Fixes which samples are for testing.")
def command(
    source: Path,
    target: Path,
    to: str,
    overwrite: bool,
    pixel_order: "PixelOrder | None",
    table: Path | None,
    classes: tuple[str, ...],
    ranges: tuple[str, ...],
    log: tuple[str, ...],
    units: tuple[str, ...],
    size: str | None,
    test_fraction: float,
    seed: int,
) -> None:
    """Write the dataset in the folder SRC as VIMH into the new folder DST.

    SRC is of any format that `data list` knows, or a folder of pictures with a CSV file: a line
    with the names of the columns, then a line per picture, the file's name first. Columns of text,
    and of whole numbers that span at most 32, are classes; other numbers are parameters from their
    least to their greatest value. The options from --csv on are for image folders.
    """
    from multihead.datasets.convert import (
        convert,
        dataset_content,
        folder_content,
        refuse_same_place,
    )
    from multihead.datasets.formats import is_dataset, open_dataset
    from multihead.datasets.image_folder import open_image_folder

    refuse_same_place(source, target)
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists already; remove it, or pass --overwrite.")
    rules = _rules(classes, ranges, log, units)
    if table is None and (is_dataset(source) or not list(source.glob("*.csv"))):
        if rules.classes or rules.parameters or size is not None:
            raise ConfigError(
                f"{source} is no image folder with a CSV file; leave out its options."
            )
        content = dataset_content(open_dataset(source), pixel_order)
    else:
        folder = open_image_folder(
            source,
            table=table,
            rules=rules,
            size=_size(size),
            test_fraction=test_fraction,
            seed=seed,
        )
        content = folder_content(folder)
    counts = convert(content, target, FORMS[to], overwrite=overwrite)
    shown = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    heads = ", ".join(f"{name} ({levels})" for name, levels in content.heads.levels.items())
    say(f"wrote {target}: {shown}; heads {heads}; read again and equal")


def _rules(
    classes: tuple[str, ...], ranges: tuple[str, ...], log: tuple[str, ...], units: tuple[str, ...]
) -> "ColumnRules":
    from multihead.datasets.parameter_table import ColumnRules

    return ColumnRules(
        frozenset(classes),
        {name: _range(text) for name, text in map(_pair, ranges)},
        frozenset(log),
        dict(map(_pair, units)),
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not (name and equals and value):
        raise ConfigError(f"{text!r} is no NAME=VALUE; give the column's name and its value.")
    return name, value


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise ConfigError(f"--range {text!r} is no MIN:MAX; give two numbers.") from None


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None or not all(1 <= int(side) <= 65_535 for side in match.groups()):
        raise ConfigError(f"--size is {text!r}; give height and width, such as 32x32.")
    return int(match[1]), int(match[2])
