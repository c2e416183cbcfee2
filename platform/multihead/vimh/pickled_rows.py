"""Read and check rows of 8-bit integers from a pickle: lists, tuples or arrays."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.errors import DataError
from multihead.text import one_line
from multihead.vimh.labels import SampleError


def read_pairs(path: Path, labels: object) -> NDArray[np.uint8]:
    """Return ids and values uint8 [n, N, 2] of rows `[N, id, value, ...]`.

    Args:
        path: The pickle, for error messages.
        labels: A list of rows, or an array [n, 1 + 2 N].

    Raises:
        SampleError: If a row is invalid. It is the error of the first such row, and `more` has the
            errors of the others.
        DataError: If the labels are not a list of rows.
    """
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        labels = [*labels]
    if not isinstance(labels, list):
        raise DataError(one_line(f"{path}: the labels must be a list of rows [N, id, value, ...]."))
    if not labels:
        return np.zeros((0, 1, 2), np.uint8)
    rows = _plain_rows(labels)
    if rows is None or (rows[:, 0].astype(np.int64) * 2 + 1 != rows.shape[1]).any():
        rows = _checked_rows(path, labels)
    return rows[:, 1:].reshape(len(rows), -1, 2)


def bytes_row(path: Path, row: object, number: int, what: str) -> NDArray[np.uint8]:
    """Return a row of integers from 0 to 255 as uint8 [k].

    Raises:
        SampleError: If the row has another type or other values.
    """
    if isinstance(row, np.ndarray) and row.ndim == 1 and row.dtype.kind in "iu":
        row = row.tolist()
    if not isinstance(row, list | tuple) or not _all_whole(row):
        raise SampleError(path, number, None, f"its {what} are not a row of integers")
    if row and not (min(row) >= 0 and max(row) <= 255):
        raise SampleError(path, number, None, f"its {what} are not all from 0 to 255")
    return np.array(row, np.uint8)


def check_total(path: Path, size: int) -> None:
    """Refuse a small file that refers to the same row many times (pickle memo).

    Raises:
        DataError: If the rows have more bytes than the file.
    """
    if size > path.stat().st_size:
        raise DataError(
            one_line(f"{path}: its samples expand to {size:,} bytes, more than the file has.")
        )


def _plain_rows(labels: list[Any]) -> NDArray[np.uint8] | None:
    """Return lists of integers from 0 to 255 of equal length as uint8 [n, k]; else None."""
    if not ({*map(type, labels)} <= {list, tuple} and all(labels)):
        return None
    if not _all_whole(chain.from_iterable(labels)) or len({*map(len, labels)}) != 1:
        return None
    if min(map(min, labels)) < 0 or max(map(max, labels)) > 255:
        return None
    return np.fromiter(chain.from_iterable(labels), np.uint8).reshape(len(labels), -1)


def _checked_rows(path: Path, labels: list[Any]) -> NDArray[np.uint8]:
    """Check the rows one by one, and return them as uint8 [n, k]."""
    rows: list[NDArray[np.uint8]] = []
    errors: list[SampleError] = []
    for number, label in enumerate(labels):
        try:
            rows.append(_row(path, label, number, rows))
        except SampleError as error:
            errors.append(error)
    if errors:
        errors[0].more = tuple(errors[1:])
        raise errors[0]
    check_total(path, sum(map(len, rows)))
    return np.stack(rows)


def _row(
    path: Path, label: object, number: int, before: Sequence[NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    row = bytes_row(path, label, number, "labels")
    if not len(row) or len(row) != 2 * int(row[0]) + 1:
        reason = f"its labels are a row of {len(row)} numbers, but must be N and N pairs"
        raise SampleError(path, number, None, reason)
    if before and len(row) != len(before[0]):
        reason = f"it has N = {row[0]} parameters, the first sample has {before[0][0]}"
        raise SampleError(path, number, None, reason)
    return row


def _all_whole(numbers: Any) -> bool:
    return all(kind is int or issubclass(kind, np.integer) for kind in {*map(type, numbers)})
