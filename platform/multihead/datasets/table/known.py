"""The cells of a column that are labels, without missing ones."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.table.cells import Cell, Column, is_missing
from multihead.datasets.table.choices import Choice
from multihead.datasets.table.numbers import Numbers, read_numbers


@dataclass(frozen=True)
class Known:
    """The distinct cells of a column that are labels.

    Attributes:
        column: The column with all cells.
        places: Indices of the labels in `column.values`, [V].
    """

    column: Column
    places: NDArray[np.int64]

    @classmethod
    def of(cls, column: Column, choice: Choice) -> "Known":
        """Leave out words for missing labels, except those that the user names as classes."""
        given, classes = choice.missing_texts, set(choice.class_texts)
        numbers = {float(text) for text in given if _is_number(text)}

        def missing(cell: Cell) -> bool:
            if cell in classes:
                return False
            if is_missing(cell) or cell in given:
                return True
            number = bool(numbers) and isinstance(cell, str) and _is_number(cell)
            return number and float(str(cell)) in numbers

        there = [place for place, cell in enumerate(column.values) if not missing(cell)]
        return cls(column, np.array(there, np.int64))

    @cached_property
    def values(self) -> list[Cell]:
        """The distinct labels, [V]."""
        return [self.column.values[place] for place in self.places]

    @cached_property
    def texts(self) -> list[str]:
        """The labels as text. Elements of a list are joined with `|`."""
        return [cell if isinstance(cell, str) else "|".join(cell) for cell in self.values]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of rows with each label, [V]."""
        return self.column.counts()[self.places]

    @property
    def rows(self) -> int:
        """Number of rows with a label."""
        return int(self.counts.sum())

    @cached_property
    def numbers(self) -> Numbers:
        """The labels as numbers."""
        return read_numbers(self.texts)

    @property
    def has_lists(self) -> bool:
        """Whether some labels are lists."""
        return any(isinstance(cell, tuple) for cell in self.values)

    def spread(self, labels: NDArray[np.generic], absent: float) -> NDArray[np.generic]:
        """Give each row the label of its cell.

        Args:
            labels: Labels by distinct cell, [V, ...].
            absent: Value for rows without a label.

        Returns:
            Labels by row, [N, ...], of the same type.
        """
        table = np.full((len(self.column.values), *labels.shape[1:]), absent, labels.dtype)
        table[self.places] = labels
        found: NDArray[np.generic] = table[self.column.codes]
        return found

    def row_of(self, place: int) -> int:
        """Return the number of the first row, from 1, with the label at an index of `values`."""
        return self.column.row_of(self.values[place])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
