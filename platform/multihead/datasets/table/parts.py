"""Assign rows to training, validation and test, from the data or by a random draw."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from multihead.data.assign import SplitRules, assign_parts, fold_numbers
from multihead.datasets.table.cells import Column, Table
from multihead.datasets.table.spelling import shown_pair, written_twice
from multihead.datasets.table.splits import TEST, TRAIN, VALIDATION, WORDS, have_training, split_of
from multihead.errors import ConfigError, DataError
from multihead.text import one_line

_GROUP = re.compile(
    r"patient|subject|participant|proband|person|donor|animal|video|session|scene", re.IGNORECASE
)
_NAMES = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}


@dataclass(frozen=True)
class Given:
    """The splits and groups that the data give.

    Attributes:
        parts: Part of each row, [N]: 0 training, 1 validation, 2 test. None if the data give none.
        groups: Group of each row, [N], or None.
        said_by: What gives the parts, for messages.
    """

    parts: NDArray[np.int8] | None
    groups: NDArray[np.int64] | None
    said_by: str = ""

    def of(self, rows: NDArray[np.int64]) -> "Given":
        """Return the same for some rows."""
        parts, groups = self.parts, self.groups
        return Given(
            None if parts is None else parts[rows],
            None if groups is None else groups[rows],
            self.said_by,
        )


def split_column_of(table: Table, ignored: Collection[str]) -> str | None:
    """Return the column whose cells are all words for splits, if exactly one exists.

    Args:
        table: The table.
        ignored: Columns that the user ignores.
    """
    columns = table.columns.items()
    found = [name for name, each in columns if name not in ignored and _says_splits(each)]
    return found[0] if len(found) == 1 else None


def _says_splits(column: Column) -> bool:
    cells = column.values
    return len(cells) > 1 and have_training(
        split_of(cell) if isinstance(cell, str) else None for cell in cells
    )


def unused_split_notes(table: Table, chosen: Collection[str]) -> Iterator[str]:
    """Yield a note on columns of words for splits that are not used, because of other cells."""
    for name, column in table.columns.items():
        if name in chosen:
            continue
        said = {cell: split_of(cell) if isinstance(cell, str) else None for cell in column.values}
        count_of = dict(zip(column.values, column.counts().tolist(), strict=True))
        others = [cell for cell, place in said.items() if place is None]
        known = set(said.values()) - {None}
        rare = others and 2 * sum(count_of[cell] for cell in others) < table.count
        if not rare or TRAIN not in known or len(known) < 2:
            continue
        shown = one_line(name, 60)
        yield (
            f"{shown} has words for splits, but also {one_line(str(others[0]), 60)!r} in row "
            f"{column.row_of(others[0]):,}, so it is not the split, and its test rows may train; "
            f"give every row such a word, or leave the column out with data.columns.{shown}=ignore"
        )


def given_parts(column: Column) -> NDArray[np.int8]:
    """Return the parts [N] that a column gives.

    Raises:
        DataError: If a cell is not a word for a split, or no row is for training.
    """
    places = []
    for cell in column.values:
        place = split_of(cell) if isinstance(cell, str) else None
        if place is None:
            raise DataError(
                f"the split column {one_line(column.name, 60)!r} has {one_line(str(cell), 60)!r} "
                f"in row {column.row_of(cell):,}; it may have {', '.join(WORDS)}."
            )
        places.append(place)
    parts = np.array(places, np.int8)[column.codes]
    return parts


def group_notes(table: Table, taken: Collection[str]) -> Iterator[str]:
    """Yield a note on columns whose names suggest groups, unless they are in use."""
    for name, column in table.columns.items():
        several = 1 < int(column.known.sum()) <= table.count / 2
        if name not in taken and several and _GROUP.search(name):
            yield (
                f"{one_line(name, 60)} may say which rows belong together; to keep such rows in "
                f"one part: data.group_column={one_line(name, 60)}"
            )


def group_numbers(column: Column) -> NDArray[np.int64]:
    """Return the group of each row, [N]. A row without a group is its own group."""
    groups = column.codes.copy()
    alone = ~column.known[column.codes]
    groups[alone] = len(column.values) + np.arange(int(alone.sum()))
    return groups


def group_spelling_notes(column: Column) -> Iterator[str]:
    """Yield a note on groups that are probably one, whose rows may then be in two parts."""
    known = zip(column.values, column.known, strict=True)
    pairs = written_twice(str(value) for value, is_known in known if is_known)
    if pairs:
        more = f" (and {len(pairs) - 1:,} more)" if len(pairs) > 1 else ""
        yield (
            f"{one_line(column.name, 60)} has the groups {shown_pair(pairs[0])}{more}, which "
            f"differ only in case or spaces, so their rows may be in two parts; if they are one "
            f"group, write it alike in all rows"
        )


def all_parts(
    count: int, given: Given, rules: SplitRules, strata: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[np.int8], list[str]]:
    """Return the part of each row, and notes on what was drawn.

    If the data give no parts, all are drawn. If they give no validation or test rows, these are
    drawn from the training rows.

    Raises:
        ConfigError: If folds or sizes contradict the data, or do not fit.
        DataError: If no row is for training, or a group is in two parts.
    """
    if given.parts is None:
        return assign_parts(count, rules, given.groups, strata), []
    if rules.folds is not None:
        return _folded(given.parts, given, rules, strata)
    parts = given.parts.copy()
    absent = [part for part in (VALIDATION, TEST) if not (parts == part).any()]
    if not (parts == TRAIN).any():
        raise DataError(f"{given.said_by} has no training rows; some must be 'train'.")
    notes = shared_groups(parts, given)
    if not absent:
        return parts, notes
    rows = np.flatnonzero(parts == TRAIN)
    parts[rows] = _drawn(rows, absent, given, rules, strata)
    drawn = " and ".join(f"{int((parts == p).sum()):,} {_NAMES[p]} rows" for p in absent)
    lacking = " or ".join(_NAMES[part] for part in absent)
    return parts, [
        *notes,
        f"{given.said_by} has no {lacking} rows, so {drawn} are drawn from the training rows",
    ]


def _folded(
    said: NDArray[np.int8], given: Given, rules: SplitRules, strata: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[np.int8], list[str]]:
    """Divide the rows that are not test rows into folds. One fold validates."""
    rows = np.flatnonzero(said != TEST)
    if len(rows) == len(said):
        raise ConfigError(
            f"data.folds is {rules.folds}, but {given.said_by} gives validation rows but no test "
            f"rows; leave out data.folds, or ignore that column in data.columns."
        )
    parts = np.full(len(said), TEST, np.int8)
    folds = fold_numbers(
        len(rows),
        cast(int, rules.folds),
        rules.seed,
        None if given.groups is None else given.groups[rows],
        {name: labels[rows] for name, labels in strata.items()},
    )
    parts[rows] = np.where(folds == rules.fold, VALIDATION, TRAIN)
    replaced = int((said == VALIDATION).sum())
    notes = shared_groups(parts, given)
    if replaced:
        notes.append(
            f"{given.said_by} gives the test rows; a fold validates instead of its validation rows"
        )
    return parts, notes


def _drawn(
    rows: NDArray[np.int64],
    absent: Sequence[int],
    given: Given,
    rules: SplitRules,
    strata: Mapping[str, NDArray[Any]],
) -> NDArray[np.int8]:
    wanted = [size if part in absent else None for part, size in enumerate(rules.sizes)]
    shares = [_share(size, len(rows)) for size in wanted[1:]]
    sizes = (max(0.0, 1 - sum(shares)), *shares)
    return assign_parts(
        len(rows),
        SplitRules(sizes=(sizes[0], sizes[1], sizes[2]), seed=rules.seed),
        None if given.groups is None else given.groups[rows],
        {name: labels[rows] for name, labels in strata.items()},
    )


def _share(size: float | int | None, count: int) -> float:
    if size is None:
        return 0.0
    return size if isinstance(size, float) else size / count


def shared_groups(parts: NDArray[Any], given: Given) -> list[str]:
    """Return a note on groups that the data put into two parts [N]."""
    if given.groups is None:
        return []
    pairs = np.unique(np.stack([given.groups, parts.astype(np.int64)]), axis=1)
    shared = int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
    if not shared:
        return []
    return [
        f"{shared:,} groups are in two parts, as {given.said_by} gives them: the test is not fair"
    ]
