"""Read a table and its pictures once: heads, labels, parts and notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.partition import strata_of
from multihead.data.source import Trained
from multihead.datasets.picture_files import Pictures, open_pictures
from multihead.datasets.preparation import Preparation
from multihead.datasets.table.columns import Columns
from multihead.datasets.table.parts import Given, all_parts
from multihead.datasets.table.samples import Wanted, read_samples
from multihead.datasets.table.splits import TEST, TRAIN
from multihead.errors import ConfigError


@dataclass(frozen=True)
class Prepared:
    """A table that was read.

    Attributes:
        name: Name of the data.
        pictures: Pictures of the usable rows, [N].
        files: Paths of the pictures, [N], relative to the folder of the table.
        parts: Part of each picture, [N]: 0 training, 1 validation, 2 test, -1 none.
        groups: Group of each picture, [N], or None.
        columns: Heads and labels [N], and what each column became.
        notes: Sentences for the user.
    """

    name: str
    pictures: Pictures
    files: tuple[str, ...]
    parts: NDArray[np.int8]
    groups: NDArray[np.int64] | None
    columns: Columns
    notes: tuple[str, ...]


def prepare(wanted: Wanted) -> Prepared:
    """Read a table for training, validation and test.

    Raises:
        ConfigError: If a choice does not fit the table.
        DataError: If the table or a picture is not readable, or no head is left.
    """
    read = read_samples(wanted)
    columns, count, groups = read.columns, len(read.rows), read.given.groups
    if wanted.tests_all:
        parts, notes = _tested(read.given, count)
    else:
        strata = _strata(columns, wanted.stratify)
        parts, notes = all_parts(count, read.given, wanted.rules, strata)
    columns = read.tested or columns.that_teach(parts == TRAIN)
    pictures = open_pictures(
        read.paths,
        root=read.root,
        rows=read.rows,
        options=wanted.pictures,
        like=_preparation(wanted.trained),
    )
    kept = pictures.kept
    if len(kept) < count:
        columns = columns.of_rows(kept)
        columns = columns if read.tested else columns.that_teach(parts[kept] == TRAIN)
    unused = int((parts[kept] < 0).sum())
    told = (
        *read.notes,
        *columns.notes,
        *notes,
        *((f"{unused:,} rows are in no part, as data.sizes leaves them out",) if unused else ()),
        *pictures.notes,
    )
    return Prepared(
        table_name(wanted.path),
        pictures,
        tuple(read.file(row) for row in kept),
        parts[kept],
        None if groups is None else groups[kept],
        columns,
        tuple(dict.fromkeys(told)),
    )


def _tested(given: Given, count: int) -> tuple[NDArray[np.int8], list[str]]:
    """Return the parts [N] of a table that is only used for a test, and notes."""
    if given.parts is not None and (given.parts == TEST).any():
        return given.parts, []
    notes = [f"{given.said_by} has no test rows, so all rows are tested"]
    return np.full(count, TEST, np.int8), [] if given.parts is None else notes


def _preparation(trained: Trained | None) -> Preparation | None:
    record = None if trained is None else trained.preparation
    return None if record is None else Preparation.from_record(record)


def _strata(columns: Columns, stratify: Sequence[str] | None) -> dict[str, NDArray[Any]]:
    labels = {made.head.name: strata_of(made.head, made.labels) for made in columns.made}
    if stratify is None:
        return labels
    by_title = {made.head.shown: made.head.name for made in columns.made}
    chosen = [by_title.get(name, name) for name in stratify]
    unknown = [name for name in chosen if name not in labels]
    if unknown:
        raise ConfigError(
            f"data.stratify names {unknown[0]!r:.80}, but the heads are {list(labels)}; remove it."
        )
    return {name: labels[name] for name in chosen}


def table_name(path: Path) -> str:
    """Return the name of a table's data, which is the name of their folder."""
    folder = path if path.is_dir() else path.parent
    return folder.resolve().name or "table"
