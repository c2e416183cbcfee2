"""Turn labels into strata, of which the parts of a data set should have equal shares.

A label of any kind becomes integers, one per class, level bin or tag. Missing labels are a class
of their own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 10


def label_numbers(count: int, strata: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Return the label numbers of each sample, int64 [N, S].

    Args:
        count: Number of samples, N.
        strata: By name, labels [N] or [N, K]. Integers, strings and booleans are classes. Floats
            go into up to 10 bins of equal counts, and NaN gets its own bin. Rows of 0 and 1 are
            tags with one column each. A row of NaN or -1 is missing: it has no tag, and gets a
            label of its own.

    Returns:
        Numbers from 0 on. No two columns use the same number. -1 means that a sample has no label
        in a column.
    """
    columns, first = [], 0
    for values in strata.values():
        for codes in _columns(np.asarray(values)):
            columns.append(np.where(codes < 0, -1, codes + first))
            first += int(codes.max(initial=-1)) + 1
    return np.stack(columns, axis=1) if columns else np.empty((count, 0), np.int64)


def cells_of(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each sample, int64 [N]; it is equal if all labels [N, S] are equal."""
    cells = np.zeros(len(labels), np.int64)
    for column in labels.T:
        width = int(column.max(initial=-1)) + 2
        cells = np.unique(cells * width + column + 1, return_inverse=True)[1]
    return cells


def _columns(values: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    if values.ndim == 1:
        yield _bins(values) if values.dtype.kind == "f" else _classes(values)
        return
    rows = values.reshape(len(values), -1)
    missing = np.isnan(rows).all(axis=1) if rows.dtype.kind == "f" else (rows == -1).all(axis=1)
    if np.isin(rows[~missing], (0, 1)).all():
        for tag in rows.T:
            yield np.where(missing, -1, tag == 1).astype(np.int64)
        yield np.where(missing, 0, -1)
        return
    for column in rows.T:
        yield from _columns(column)


def _classes(values: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _bins(values: NDArray[Any]) -> NDArray[np.int64]:
    missing = np.isnan(values)
    known = values[~missing]
    if len(known) == 0:
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS))
    return np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="right"))
