"""Convert a table of pictures to VIMH: classes, and numbers as 256 levels.

VIMH cannot store missing labels, several labels per picture, or more than 256 classes. Tables with
these are refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.data.assign import SplitRules, assign_parts
from multihead.data.source import Split
from multihead.data.splits import split_indices
from multihead.datasets.convert import Batch, Content
from multihead.datasets.picture_files import PictureOptions, Pictures, open_pictures
from multihead.datasets.table.described import Described, frame
from multihead.datasets.table.made import Made
from multihead.datasets.table.numbers import read_numbers
from multihead.datasets.table.parts import shared_groups
from multihead.datasets.table.prepare import table_name
from multihead.datasets.table.samples import Samples, Wanted, read_samples
from multihead.datasets.table.splits import TEST
from multihead.errors import ConfigError, DataError
from multihead.heads import Head, Heads
from multihead.text import one_line
from multihead.vimh.mapping import LEVELS, write_parameter

# The keys of `data` that apply to a table that is converted, not trained on.
CHOICES = (
    *("columns", "image_column", "split_column", "group_column"),
    *("size", "resize", "colour", "on_damaged", "follow_links"),
)
_BATCH_BYTES = 4 << 20


@dataclass(frozen=True)
class TableContent:
    """The content of a table for VIMH, and notes for the user.

    Attributes:
        content: The content to write.
        described: A row per column: what it becomes.
        notes: Sentences about choices and oddities.
    """

    content: Content
    described: pd.DataFrame
    notes: tuple[str, ...]


def wanted_of(data: Mapping[str, Any], folder: Path | None = None) -> Wanted:
    """Return the settings of a table from the section `data` of a configuration.

    Args:
        data: A mapping with the keys of `CHOICES`, and `table`.
        folder: Folder of the pictures, if it is not the folder of the table.
    """
    size = data["size"]
    return Wanted(
        Path(data["table"]).expanduser().absolute(),
        data["columns"],
        data["image_column"],
        data["split_column"],
        data["group_column"],
        None,
        SplitRules((1.0, 0.0, 0.0)),
        PictureOptions(
            size=None if size is None else tuple(size),
            resize=data["resize"],
            on_damaged=data["on_damaged"],
            follow_links=data["follow_links"],
            colour=data["colour"],
        ),
        folder,
    )


def table_content(wanted: Wanted, test_fraction: float, seed: int) -> TableContent:
    """Read a table and its pictures.

    Args:
        wanted: The table and its settings.
        test_fraction: Share of the rows in the test split, in [0, 1), if the table names no splits.
        seed: Seed of the draw of these rows.

    Raises:
        ConfigError: If a choice does not fit, or a head has more than 256 classes.
        DataError: If table or pictures are not readable, a label is missing, or nothing is left.
    """
    read = read_samples(replace(wanted, levels=LEVELS))
    made = [_stored(each, read.rows) for each in read.columns.made]
    fixed = _fixed(read)
    if not made:
        raise DataError("no column of the table can be a head of VIMH, so there is none to write.")
    options = replace(wanted.pictures, cache=False, alike=True)
    pictures = open_pictures(read.paths, root=read.root, rows=read.rows, options=options)
    splits, said = _splits(read, pictures.kept, test_fraction, seed)
    labels = {each.head.name: each.labels[pictures.kept] for each in made}

    def batches(split: Split) -> Iterator[Batch]:
        return _batches(pictures, labels, splits[split])

    content = Content(
        table_name(wanted.folder or wanted.path),
        Heads(each.head for each in made),
        pictures.preparation.shape,
        tuple(splits),
        batches,
        fixed,
        {each.head.name: each.head.title for each in read.columns.made if each.head.title},
    )
    described = [_described(row, fixed, read.columns.names) for row in read.columns.described]
    notes = (
        *read.notes,
        *read.columns.notes,
        *_levels_note(read.columns.made),
        *said,
        *pictures.notes,
    )
    return TableContent(content, frame(described), tuple(dict.fromkeys(notes)))


def _stored(made: Made, rows: Sequence[int]) -> Made:
    """Return a head and its labels as VIMH stores them.

    Raises:
        ConfigError: If there are too many classes.
        DataError: If it cannot be stored, or a label is missing.
    """
    head, shown = made.head, one_line(made.head.shown, 80)
    leave_out = f"data.columns.{head.name}=ignore leaves the column out"
    if made.labels.ndim > 1 or made.labels.dtype.kind == "f":
        raise DataError(
            f"column {shown!r} is {head.kind.name}, and a label of VIMH is one class or level; "
            f"{leave_out}."
        )
    missing = np.flatnonzero(head.kind.is_missing(made.labels))
    if len(missing):
        raise DataError(
            f"column {shown!r} has no label in {len(missing):,} rows, such as row "
            f"{rows[missing[0]]:,}, and VIMH has no missing labels; fill them in, or {leave_out}. "
            f"data.table trains on such tables as they are."
        )
    if not head.has_range:
        numbers = head.num_classes == 2 and head.classes == ("0", "1")
        head = Head(head.name, head.num_classes, () if numbers else head.classes, first=head.first)
    head = replace(head, title="")
    write_parameter(head)
    return Made(head, made.labels)


def _fixed(read: Samples) -> dict[str, float]:
    """Return the value of each column with the same number in every row, by head name."""
    found = {}
    for row in read.columns.described:
        column = read.table.columns[row.column]
        alone = row.becomes == "ignored" and row.why != "as chosen" and len(column.values) == 1
        cell = column.values[0] if alone else ()
        number = read_numbers([cell]).values[0] if isinstance(cell, str) else np.nan
        if np.isfinite(number):
            found[read.columns.names[row.column]] = float(number)
    return found


def _described(row: Described, fixed: Mapping[str, float], names: Mapping[str, str]) -> Described:
    is_fixed = row.becomes == "ignored" and names[row.column] in fixed
    return replace(row, becomes="fixed parameter") if is_fixed else row


def _levels_note(made: Sequence[Made]) -> list[str]:
    parameters = [(m.head.shown, m.head.parameter) for m in made if m.head.parameter is not None]
    return [
        f"{one_line(name, 60)} becomes {LEVELS} levels from {parameter.minimum:g} to "
        f"{parameter.maximum:g}"
        for name, parameter in parameters
    ]


def _splits(
    read: Samples, kept: NDArray[np.int64], test_fraction: float, seed: int
) -> tuple[dict[Split, NDArray[np.int64]], list[str]]:
    """Return the indices of the pictures of each split, and notes on unusual splits."""
    if not 0 <= test_fraction < 1:
        raise ConfigError(f"the test fraction is {test_fraction}; give 0 to below 1.")
    count, said = len(kept), []
    splits: dict[Split, NDArray[np.int64]]
    given = read.given.of(kept)
    if given.parts is None and given.groups is not None:
        rules = SplitRules((1 - test_fraction, 0.0, test_fraction), seed=seed)
        tests = assign_parts(count, rules, given.groups) == TEST
        splits = {"train": np.flatnonzero(~tests), "test": np.flatnonzero(tests)}
    elif given.parts is None:
        test = round(count * test_fraction)
        train_rows, test_rows = split_indices(count, [count - test, test], seed, "the table")
        splits = {"train": train_rows, "test": test_rows}
    else:
        tests = given.parts == TEST
        splits = {"train": np.flatnonzero(~tests), "test": np.flatnonzero(tests)}
        said.append(f"test rows are those of {given.said_by}; all others are for training")
        said += shared_groups(tests, given)
    if not len(splits["train"]):
        raise DataError("no row is for training; correct the splits of the table.")
    return {split: rows for split, rows in splits.items() if len(rows)}, said


def _batches(
    pictures: Pictures, labels: Mapping[str, NDArray[np.int64]], rows: NDArray[np.int64]
) -> Iterator[Batch]:
    images = pictures.part(rows)
    step = max(1, _BATCH_BYTES // int(np.prod(images.shape[1:])))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        yield images[part], {name: codes[rows[part]] for name, codes in labels.items()}, None
