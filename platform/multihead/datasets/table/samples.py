"""Read the rows, heads and parts of a table, before pictures are opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.assign import SplitRules
from multihead.data.source import Trained
from multihead.datasets.picture_files import PictureOptions
from multihead.datasets.table.cells import Table, joined
from multihead.datasets.table.choices import read_choices
from multihead.datasets.table.choosing import check_keys, ignored
from multihead.datasets.table.columns import Columns, heads_of
from multihead.datasets.table.files import read_table
from multihead.datasets.table.folders import Part, open_parts
from multihead.datasets.table.parts import (
    Given,
    given_parts,
    group_notes,
    group_numbers,
    group_spelling_notes,
    split_column_of,
    unused_split_notes,
)
from multihead.datasets.table.picture_column import column_named, picture_column
from multihead.datasets.table.repeated import Duplicates, Repeated
from multihead.datasets.table.trained import as_trained, that_apply
from multihead.errors import ConfigError
from multihead.text import one_line


@dataclass(frozen=True)
class Wanted:
    """The settings of a table; see `source.table`.

    Attributes:
        folder: Folder of the pictures, if it is not the folder of the table.
        levels: Default number of levels of heads of numbers. None means regression.
        duplicates: Whether rows of one picture are joined to one sample, or kept.
        trained: Training of the network that is tested on the table, or None.
        tests_all: Whether all rows are test rows if the table gives no parts.
    """

    path: Path
    columns: Mapping[str, Any]
    image_column: str | None
    split_column: str | None
    group_column: str | None
    stratify: Sequence[str] | None
    rules: SplitRules
    pictures: PictureOptions
    folder: Path | None = None
    levels: int | None = None
    duplicates: Duplicates = "join"
    trained: Trained | None = None
    tests_all: bool = False


@dataclass(frozen=True)
class Samples:
    """The samples of a table.

    Attributes:
        root: The folder that must contain all pictures.
        paths: Paths of the pictures, [N].
        rows: Row numbers in the table, [N], from 1 in each file.
        columns: Heads, labels [N], and what each column became.
        tested: The same with the heads of the tested network, or None.
        given: The parts that the data give.
        notes: Sentences for the user.
        table: The whole table.
    """

    root: Path
    paths: tuple[Path, ...]
    rows: tuple[int, ...]
    columns: Columns
    tested: Columns | None
    given: Given
    notes: tuple[str, ...]
    table: Table

    def file(self, place: int) -> str:
        """Return the path of a picture relative to the folder."""
        path = self.paths[place]
        return (path.relative_to(self.root) if path.is_relative_to(self.root) else path).as_posix()


@dataclass(frozen=True)
class _Read:
    table: Table
    root: Path
    paths: tuple[Path, ...]
    rows: tuple[int, ...]
    parts: NDArray[np.int8] | None
    image_column: str
    notes: tuple[str, ...]


def read_samples(wanted: Wanted) -> Samples:
    """Read a table, and make heads from its columns.

    Raises:
        ConfigError: If a choice does not fit the table.
        DataError: If the table is not readable, or a label does not fit the choice.
    """
    read = _read(wanted)
    table = read.table
    roles = {read.image_column: "pictures"}
    split = wanted.split_column
    if split is not None:
        split = column_named(table, split, "data.split_column")
    elif read.parts is None:
        split = split_column_of(table, ignored(table, wanted.columns))
    if split is not None:
        roles[split] = "split"
    groups = None
    if wanted.group_column is None:
        of_groups = list(group_notes(table, {*roles, *wanted.columns}))
    else:
        group = column_named(table, wanted.group_column, "data.group_column")
        roles[group], groups = "group", group_numbers(table.columns[group])
        of_groups = list(group_spelling_notes(table.columns[group]))
    given = _given(read, split, groups, wanted)
    if wanted.trained is None:  # another table may lack a column of the run's own
        check_keys(table, wanted.columns)
    choices, tested = read_choices(wanted.columns), None
    if wanted.trained is not None:
        choices = that_apply(table, choices)
    columns = heads_of(table, choices, roles, wanted.levels)
    if wanted.trained is not None:
        tested = as_trained(table, choices, roles, columns, wanted.trained.heads)
    notes = (
        *read.notes,
        *of_groups,
        *(unused_split_notes(table, wanted.columns) if given.parts is None else ()),
    )
    samples = Samples(read.root, read.paths, read.rows, columns, tested, given, notes, table)
    return _of_pictures(samples, wanted.duplicates)


def _of_pictures(samples: Samples, duplicates: Duplicates) -> Samples:
    """Join the rows of a picture to one sample, or keep them in one group."""
    repeated = Repeated(samples.paths, samples.rows)
    first, count = repeated.first, len(samples.rows)
    if len(first) == count:
        return samples
    repeated.check_parts(samples.given)
    what = f"{count:,} rows name {len(first):,} pictures"
    if duplicates == "keep":
        note = f"{what}: each row is a sample, and those of a picture are in one part"
        return replace(
            samples, given=repeated.together(samples.given), notes=(*samples.notes, note)
        )
    given = samples.given if samples.given.groups is None else repeated.together(samples.given)
    return replace(
        samples,
        paths=tuple(samples.paths[row] for row in first),
        rows=tuple(samples.rows[row] for row in first),
        columns=repeated.joined(samples.columns),
        tested=None if samples.tested is None else repeated.joined(samples.tested),
        given=given.of(first),
        notes=(*samples.notes, f"{what}, and their labels agree: a picture is one sample"),
    )


def _read(wanted: Wanted) -> _Read:
    """Read all tables and concatenate their rows."""
    if wanted.folder is None:
        found, notes = open_parts(wanted.path)
        root = wanted.path if wanted.path.is_dir() else wanted.path.parent
    else:
        found, notes = [Part(read_table(wanted.path), wanted.folder)], []
        root = wanted.folder
    named = [picture_column(part, wanted.image_column) for part in found]
    paths = tuple(path for column in named for path in column.paths)
    rows = tuple(row for part in found for row in range(1, part.table.count + 1))
    tables = [part.table for part in found]
    if len(tables) == 1:
        table = tables[0]
    else:  # the picture columns of all tables become one column
        name = named[0].name
        tables = [_renamed(t, c.name, name) for t, c in zip(tables, named, strict=True)]
        table = joined(wanted.path, tables)
    notes = [*notes, *table.notes, *(note for column in named for note in column.notes)]
    return _Read(table, root, paths, rows, _parts_of(found), named[0].name, tuple(notes))


def _renamed(table: Table, old: str, new: str) -> Table:
    if old == new:
        return table
    columns = {(new if name == old else name): column for name, column in table.columns.items()}
    return replace(table, columns=columns)


def _parts_of(found: Sequence[Part]) -> NDArray[np.int8] | None:
    said = [part.split for part in found]
    if None in said:
        return None
    counts = [part.table.count for part in found]
    return np.repeat(np.array(said, np.int8), counts)


def _given(
    read: _Read, split: str | None, groups: NDArray[np.int64] | None, wanted: Wanted
) -> Given:
    if split is None:
        return Given(read.parts, groups, "the layout of the folder")
    if read.parts is not None:
        raise ConfigError(
            f"data.split_column is {wanted.split_column!r}, but {one_line(str(wanted.path))} has "
            f"its splits in files or folders of their own; leave out one."
        )
    return Given(given_parts(read.table.columns[split]), groups, f"the split column {split!r}")
