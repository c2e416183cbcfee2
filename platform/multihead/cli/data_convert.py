"""`multihead data convert`: write any dataset, or pictures with a table, as VIMH."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from multihead.cli.help import examples
from multihead.cli.overrides import Override
from multihead.errors import ConfigError
from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.datasets.table.as_vimh import TableContent
    from multihead.vimh.info import PixelOrder
    from multihead.vimh.source import Form

FORMS: "dict[str, tuple[Form, ...]]" = {
    "vimh": ("binary",),
    "vimh-pickle": ("pickle",),
    "vimh-both": ("binary", "pickle"),
}
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)


@click.command(
    "convert",
    epilog=examples(
        "multihead data convert photos/labels.csv data/photos --size 32x32 --classes species",
        "multihead data convert data/old data/new --to vimh-pickle --pixel-order HWC",
    ),
)
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[data.KEY=VALUE]...", type=Override())
@click.option(
    "--to",
    "to",
    type=click.Choice(list(FORMS)),
    default="vimh",
    show_default=True,
    help="Form of the files: binary, pickle, or both.",
)
@click.option("--overwrite", is_flag=True, help="Replace DST if it is a VIMH dataset.")
@click.option(
    "--pixel-order",
    type=click.Choice(["HWC", "CHW"]),
    show_default="that of the metadata",
    help="Order of the bytes of an image in VIMH pickle files. Give it if their metadata do not.",
)
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    help="Table of the images in SRC, if it is in another folder or SRC has several tables.",
)
@click.option(
    "--classes", multiple=True, metavar="NAME", help="Read this column as classes. May be repeated."
)
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="NAME=MIN:MAX",
    show_default="the least and the greatest value",
    help="Range of the 256 levels of a column of numbers. May be repeated.",
)
@click.option(
    "--log",
    multiple=True,
    metavar="NAME",
    help="Space the levels of this column logarithmically. May be repeated.",
)
@click.option(
    "--unit",
    "units",
    multiple=True,
    metavar="NAME=UNIT",
    help="Unit of a column of numbers. May be repeated.",
)
@click.option(
    "--size",
    metavar="HxW",
    show_default="the size of the images, which must be equal",
    help="Stretch all images to this height and width in pixels, such as 32x32.",
)
@click.option(
    "--test-fraction",
    default=0.2,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the rows that become the test split, if no column names the split.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Seed that chooses the rows of the test split."
)
def command(
    source: Path,
    target: Path,
    overrides: tuple[str, ...],
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
    """Write the dataset SRC as VIMH into the new folder DST.

    SRC is the folder of a dataset in any format that `multihead data list` knows. Or it is a
    table of your own images, or their folder, as `data.table` takes them.

    The options from --csv on are for tables only, and so is data.KEY=VALUE, such as
    data.columns.id=ignore. Columns become heads as in a training; numbers become 256 levels. The
    command refuses data that VIMH cannot hold. It reads the new files again and compares them.
    """
    from multihead.datasets.convert import convert, dataset_content, refuse_same_place
    from multihead.datasets.formats import open_dataset
    from multihead.datasets.table.source import is_own_table

    refuse_same_place(source, target)
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists already; remove it, or pass --overwrite.")
    chosen = _choices(classes, ranges, log, units)
    if table is not None or is_own_table(source):
        data = _data(table or source, overrides, chosen, _size(size))
        folder = None if table is None else source.absolute()
        read = _read_table(data, folder, test_fraction, seed)
        _tell(read)
        content = read.content
    elif chosen or size is not None or overrides or _draws():
        raise ConfigError(f"{source} is not a table or folder of pictures; leave out its options.")
    else:
        content = dataset_content(open_dataset(source), pixel_order)
    counts = convert(content, target, FORMS[to], overwrite=overwrite)
    shown = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    heads = ", ".join(f"{name} ({levels})" for name, levels in content.heads.levels.items())
    say(f"wrote {target}: {shown}; heads {heads}; read again and equal")


def _draws() -> bool:
    """Return whether the user says how to draw test rows."""
    context = click.get_current_context()
    sources = [context.get_parameter_source(name) for name in ("test_fraction", "seed")]
    return ParameterSource.COMMANDLINE in sources


def _read_table(
    data: dict[str, Any], folder: Path | None, test_fraction: float, seed: int
) -> "TableContent":
    from multihead.datasets.table.as_vimh import table_content, wanted_of

    return table_content(wanted_of(data, folder), test_fraction, seed)


def _tell(read: "TableContent") -> None:
    from multihead.cli.tables import show_columns

    show_columns(read.described)
    say(*(f"- {note}" for note in read.notes))


def _data(
    table: Path,
    overrides: tuple[str, ...],
    chosen: dict[str, dict[str, Any]],
    size: tuple[int, int] | None,
) -> dict[str, Any]:
    """Return the section `data` of a training on the table, with the values of the options.

    Raises:
        ConfigError: If an override is not valid, or does not affect the written data.
    """
    from multihead.datasets.table.as_vimh import CHOICES
    from multihead.runs.config import compose_run
    from multihead.runs.sections import RunConfig

    allowed = [f"data.{choice}" for choice in CHOICES]
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        if ".".join(key.split(".")[:2]) not in allowed:
            raise ConfigError(
                f"{override!r:.100} is not allowed in a conversion; allowed: {', '.join(allowed)}."
            )
    composed = compose_run(["data=table", *overrides])
    composed["data"]["table"] = str(table)
    data = dict(RunConfig.checked(composed).data.node)
    columns = dict(data["columns"])
    for name, said in chosen.items():
        if name in columns:
            raise ConfigError(f"an option and data.columns both name column {name!r}; keep one.")
        columns[name] = said
    fitted = {} if size is None else {"size": size, "resize": data["resize"] or "stretch"}
    return {**data, "columns": columns, **fitted}


def _choices(
    classes: tuple[str, ...], ranges: tuple[str, ...], log: tuple[str, ...], units: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """Return the column options in the form of `data.columns`."""
    said: list[tuple[str, str, Any]] = [
        *((name, "kind", "classification") for name in classes),
        *((name, "range", _range(text)) for name, text in map(_pair, ranges)),
        *((name, "log", True) for name in log),
        *((name, "unit", text) for name, text in map(_pair, units)),
    ]
    chosen: dict[str, dict[str, Any]] = {}
    for name, key, value in said:
        chosen.setdefault(name, {})[key] = value
    return chosen


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not (name and equals and value):
        raise ConfigError(f"{text!r} is not NAME=VALUE; give the column's name and its value.")
    return name, value


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise ConfigError(f"--range {text!r} is not MIN:MAX; give two numbers.") from None


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None or not all(1 <= int(side) <= 65_535 for side in match.groups()):
        raise ConfigError(f"--size is {text!r}; give height and width, such as 32x32.")
    return int(match[1]), int(match[2])
