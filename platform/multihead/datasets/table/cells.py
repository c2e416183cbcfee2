"""A table as text, before columns get a meaning."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# A cell: text, or the elements of a list.
Cell = str | tuple[str, ...]
# Compared without case.
MISSING = frozenset({"", "na", "nan", "n/a", "#n/a", "<na>", "null", "none", "-", "?", "n.a."})


@dataclass(frozen=True)
class Column:
    """One column, stored as distinct cells and an index per row.

    Attributes:
        name: The name in the table, made unique.
        values: Distinct cells in order of occurrence, without surrounding white space.
        codes: Index in `values` of each row's cell, [N].
    """

    name: str
    values: tuple[Cell, ...]
    codes: NDArray[np.int64]

    @classmethod
    def of_cells(cls, name: str, cells: Sequence[Cell]) -> "Column":
        """Make a column from one cell per row, [N]."""
        array = np.empty(len(cells), object)
        array[:] = cells
        codes, values = pd.factorize(array)
        return cls(name, tuple(values), codes.astype(np.int64))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Mask of the `values` that do not stand for a missing label."""
        return np.array([not is_missing(value) for value in self.values], bool)

    def row_of(self, value: Cell) -> int:
        """Return the number of the first row, from 1, with one of `values`."""
        return int((self.codes == self.values.index(value)).argmax()) + 1

    def counts(self) -> NDArray[np.int64]:
        """Return the number of rows with each of `values`."""
        return np.bincount(self.codes, minlength=len(self.values))

    def cells(self) -> list[Cell]:
        """Return the cell of each row, [N]."""
        return [self.values[code] for code in self.codes]


def is_missing(cell: Cell) -> bool:
    """Return whether a cell stands for a missing label; an empty list does not."""
    return isinstance(cell, str) and cell.casefold() in MISSING


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        path: Its path.
        columns: Columns by name, in order.
        count: Number of rows, N.
        notes: Sentences about how it was read.
    """

    path: Path
    columns: Mapping[str, Column]
    count: int
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def of_columns(
        cls, path: Path, columns: Iterable[Column], count: int, notes: Iterable[str] = ()
    ) -> "Table":
        """Make a table from columns with different names."""
        return cls(path, {column.name: column for column in columns}, count, tuple(notes))

    def with_column(self, name: str, cells: Sequence[Cell]) -> "Table":
        """Return the table with a column added, or replaced if the name exists."""
        return replace(self, columns={**self.columns, name: Column.of_cells(name, cells)})


def joined(path: Path, tables: Sequence[Table]) -> Table:
    """Concatenate the rows of tables. Cells of a column that a table lacks are empty."""
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    columns = []
    for name in names:
        cells: list[Cell] = []
        for table in tables:
            found = table.columns.get(name)
            cells += [""] * table.count if found is None else found.cells()
        columns.append(Column.of_cells(name, cells))
    notes = [note for table in tables for note in table.notes]
    for table in tables:
        absent = [name for name in names if name not in table.columns]
        if absent:
            notes.append(f"{table.path.name} has no column {absent[0]!r}: nothing is known there")
    return Table.of_columns(path, columns, sum(table.count for table in tables), notes)
