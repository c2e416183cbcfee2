"""A CSV file of parameters as heads: what a column is, is told by its values.

- Text that is no number: classes, named by the text and ordered by it.
- Whole numbers, written without a point, that span at most 32: classes from the least to the
  greatest.
- Other numbers: a parameter of 256 levels from the least to the greatest.
- One and the same number in every row: a fixed parameter, which makes no head.

`ColumnRules` overrides each of these by the column's name.
"""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.errors import ConfigError, DataError
from multihead.heads import KINDS, Head, Heads, Parameter
from multihead.heads.parameter import Spacing
from multihead.text import one_line
from multihead.vimh.mapping import LEVELS, head_name

_WIDEST = 32
_MOST_COLUMNS = 1000
_WHOLE = re.compile(r"[+-]?\d{1,15}", re.ASCII)


@dataclass(frozen=True)
class ColumnRules:
    """What the user says of columns, by their names in the file.

    Attributes:
        classes: Columns that are classes.
        ranges: Least and greatest value of parameters.
        log: Parameters with levels spaced logarithmically.
        units: Units of parameters.
    """

    classes: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    log: frozenset[str] = frozenset()
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> frozenset[str]:
        """Columns that must be parameters."""
        return self.log | frozenset(self.ranges) | frozenset(self.units)


@dataclass(frozen=True)
class ParameterTable:
    """The rows of a CSV file.

    Attributes:
        files: The first column, [N].
        heads: One per column that varies.
        codes: Labels [N] by head name.
        fixed: Numbers that are equal in every row, by head name.
    """

    files: tuple[str, ...]
    heads: Heads
    codes: Mapping[str, NDArray[np.int64]]
    fixed: Mapping[str, float]


def read_table(path: Path, rules: ColumnRules) -> ParameterTable:
    """Read a CSV file in UTF-8 whose first line names the columns.

    Raises:
        ConfigError: If rules name columns that are not there, or contradict each other.
        DataError: If the file cannot be read, or a row or a column is not as it must be.
    """
    header, rows = _rows(path)
    named = rules.classes | rules.parameters
    unknown = sorted(named - set(header[1:]))
    if unknown:
        raise ConfigError(f"{path} has no column {unknown[0]!r}; it has {header[1:]}.")
    both = sorted(rules.classes & rules.parameters)
    if both:
        raise ConfigError(
            f"column {both[0]!r} cannot be classes and have a range, log or unit as well."
        )
    heads, codes, fixed = [], {}, {}
    for place, column in enumerate(header[1:], start=1):
        where = one_line(f"{path}: column {column!r}")
        name, values = head_name(column), [row[place].strip() for row in rows]
        if _is_constant(values, where) and column not in named:
            fixed[name] = float(values[0])
            continue
        head, codes[name] = _head(name, column, values, rules, where)
        heads.append(head)
    if not heads:
        raise DataError(f"{path} has no column that varies, so there is nothing to predict.")
    return ParameterTable(tuple(row[0] for row in rows), Heads(heads), codes, fixed)


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(one_line(f"{path} cannot be read as CSV in UTF-8: {error}.")) from None
    if len(lines) < 2 or len(lines[0]) < 2:
        raise DataError(
            f"{path} needs a line with the names of the columns, a file name and at least one "
            f"parameter, and a line per picture below it."
        )
    header, rows = [name.strip() for name in lines[0]], lines[1:]
    if len(header) > _MOST_COLUMNS:
        raise DataError(f"{path} has {len(header):,} columns; at most {_MOST_COLUMNS:,} are read.")
    heads = [head_name(name) for name in header[1:]]
    if len(set(heads)) != len(heads) or "" in header[1:]:
        raise DataError(one_line(f"{path}: its columns {header[1:]} need different names."))
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header) or not all(value.strip() for value in row):
            raise DataError(
                f"{path}: row {number:,} has {sum(bool(v.strip()) for v in row)} values; there "
                f"are {len(header)} columns, and none may be empty."
            )
    return header, rows


def _is_constant(values: Sequence[str], where: str) -> bool:
    if len(set(values)) > 1:
        return False
    if _number(values[0]) is None:
        raise DataError(f"{where} is {one_line(values[0])!r} in every row; remove the column.")
    return True


def _head(
    name: str, column: str, values: Sequence[str], rules: ColumnRules, where: str
) -> tuple[Head, NDArray[np.int64]]:
    whole = all(_WHOLE.fullmatch(value) for value in values)
    numbers = [_number(value) for value in values]
    text = next((i for i, number in enumerate(numbers) if number is None), None)
    if column in rules.parameters:
        if text is not None:
            raise DataError(f"{where} has {values[text]!r:.60} in row {text + 1:,}; no number.")
        return _parameter(name, column, np.array(numbers, np.float64), rules, where)
    if whole:
        integers = np.array(values, np.int64)
        span = int(integers.max()) - int(integers.min()) + 1
        if column in rules.classes or span <= _WIDEST:
            _check_classes(span, where)
            first = int(integers.min())
            return Head(name, span, first=first), integers - first
    if column in rules.classes or text is not None:
        names, codes = np.unique(np.array(values), return_inverse=True)
        _check_classes(len(names), where)
        return Head(name, len(names), tuple(names.tolist())), codes.astype(np.int64)
    return _parameter(name, column, np.array(numbers, np.float64), rules, where)


def _check_classes(count: int, where: str) -> None:
    if not 2 <= count <= LEVELS:
        raise DataError(
            f"{where} has {count:,} classes; 2 to {LEVELS} are possible. Numbers can be a "
            f"parameter instead: --range NAME=MIN:MAX."
        )


def _parameter(
    name: str, column: str, values: NDArray[np.float64], rules: ColumnRules, where: str
) -> tuple[Head, NDArray[np.int64]]:
    low, high = rules.ranges.get(column, (float(values.min()), float(values.max())))
    outside = (values < low) | (values > high)
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{where} has {values[row]:g} in row {row + 1:,}, outside {low:g} to {high:g}."
        )
    try:
        scale: Spacing = "log" if column in rules.log else "linear"
        parameter = Parameter(low, high, scale, rules.units.get(column, ""))
    except ConfigError as error:
        raise DataError(f"{where}: {error}") from None
    return Head(name, LEVELS, kind=KINDS["ordinal"], parameter=parameter), parameter.encode(values)


def _number(text: str) -> float | None:
    """Return a finite number, or None for anything else; `nan` and `1_000` are text."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
