"""Handle several rows for one picture: join equal labels to one sample, or keep all rows.

Rows of a picture are always in one part. Otherwise a network would be tested on training pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from multihead.datasets.table.columns import Columns
from multihead.datasets.table.made import Made
from multihead.datasets.table.parts import Given
from multihead.errors import DataError
from multihead.text import one_line

Duplicates = Literal["join", "keep"]
DUPLICATES: tuple[Duplicates, ...] = ("join", "keep")
_SHOWN = 5


@dataclass(frozen=True)
class Repeated:
    """Rows and the pictures that they name.

    Attributes:
        paths: Path of the picture of each row, [N].
        rows: Row number in the table, [N], for messages.
    """

    paths: Sequence[Path]
    rows: Sequence[int]

    @cached_property
    def pictures(self) -> NDArray[np.int64]:
        """Index of the picture of each row, [N], 0 to P - 1."""
        numbers: dict[Path, int] = {}
        return np.array([numbers.setdefault(path, len(numbers)) for path in self.paths], np.int64)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Index of the first row of each picture, [P]."""
        return np.unique(self.pictures, return_index=True)[1]

    def check_parts(self, given: Given) -> None:
        """Check that the data put no picture into two parts.

        Raises:
            DataError: If they do. The message lists some pictures.
        """
        if given.parts is None:
            return
        split = np.flatnonzero(given.parts != given.parts[self.first][self.pictures])
        if len(split):
            count = len(np.unique(self.pictures[split]))
            raise DataError(
                f"{_pictures(count, 'is', 'are')} in two parts, as {given.said_by} says: "
                f"{self._listed(split)}; a test on training pictures is not valid, so "
                f"put their rows into one part."
            )

    def joined(self, columns: Columns) -> Columns:
        """Return heads with one label per picture, [P]. Missing labels come from its other rows.

        Raises:
            DataError: If labels of a picture differ. The message lists some rows.
        """
        merged, differing = [], {}
        for made in columns.made:
            labels, differs = _merged(made, self.pictures, len(self.first))
            merged.append(replace(made, labels=labels))
            if len(differs):
                differing[one_line(made.head.shown, 60)] = differs
        if differing:
            name, rows = next(iter(differing.items()))
            count = len(np.unique(self.pictures[np.concatenate(list(differing.values()))]))
            others = f" and {len(differing) - 1:,} other columns" if len(differing) > 1 else ""
            raise DataError(
                f"{_pictures(count, 'has', 'have')} several rows that differ in {name!r}{others}: "
                f"{self._listed(rows)}; correct them, ignore the column in data.columns, or train "
                f"with data.duplicates=keep, which makes each row a sample and keeps those of a "
                f"picture in one part."
            )
        return replace(columns, made=tuple(merged))

    def together(self, given: Given) -> Given:
        """Return the same parts, with the rows of each picture and of each group in one group."""
        if given.groups is None:
            return replace(given, groups=self.pictures)
        # A picture may link two groups. Linked groups become one.
        nodes = len(self.first) + int(given.groups.max()) + 1
        ends = (self.pictures, given.groups + len(self.first))
        links = coo_array((np.ones(len(self.rows), np.int8), ends), shape=(nodes, nodes))
        of_node = connected_components(links, directed=False)[1]
        return replace(given, groups=of_node[self.pictures].astype(np.int64))

    def _listed(self, rows: NDArray[np.int64]) -> str:
        found = [
            f"{one_line(self.paths[row].name, 60)} in rows {self.rows[first]:,} and "
            f"{self.rows[row]:,}"
            for row, first in zip(rows[:_SHOWN], self.first[self.pictures[rows]], strict=False)
        ]
        return "; ".join(found) + ("; ..." if len(rows) > _SHOWN else "")


def _pictures(count: int, one: str, many: str) -> str:
    return f"1 picture {one}" if count == 1 else f"{count:,} pictures {many}"


def _merged(
    made: Made, pictures: NDArray[np.int64], count: int
) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """Return the labels of pictures, [P, ...], and the rows with another label."""
    labels, kind = made.labels, made.head.kind
    missing = np.isnan(labels) if np.isnan(kind.missing_number) else labels == kind.missing_number
    merged = kind.absent(made.head, count).reshape(count, -1)
    flat, gone = labels.reshape(len(labels), -1), missing.reshape(len(labels), -1)
    for place in range(flat.shape[1]):  # one column per label, or per tag
        told = np.flatnonzero(~gone[:, place])[
            ::-1
        ]  # reversed, so that the first of several rows is used
        merged[pictures[told], place] = flat[told, place]
    differs = ((flat != merged[pictures]) & ~gone).any(axis=1)
    return merged.reshape(count, *labels.shape[1:]), np.flatnonzero(differs)
