"""Read cells as numbers, with decimal points or commas, and find codes for missing values."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.table.units import without_units

_EXPONENT = r"(?:[eE][+-]?\d{1,3})?"
_POINT = re.compile(rf"[+-]?(?:\d+(?:\.\d*)?|\.\d+){_EXPONENT}", re.ASCII)
_COMMA = re.compile(rf"[+-]?\d+,\d+{_EXPONENT}", re.ASCII)
# 1.234,56 and 1,234.56
_GROUPED_COMMA = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+", re.ASCII)
_GROUPED_POINT = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+", re.ASCII)
# 1,234 is ambiguous: it may be 1234 or 1.234.
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
# 1,234,567 and 1.234.567
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3}){2,}|(?:\.\d{3}){2,})", re.ASCII)
# 1'234.5 and 1 234,5
_SPACED = re.compile(r"[+-]?\d{1,3}(?:['\u2019 \u00a0\u202f]\d{3})+(?:[.,]\d+)?", re.ASCII)
_BETWEEN = re.compile(r"['\u2019 \u00a0\u202f]")
_CODE = re.compile(r"0\d+", re.ASCII)
_FEW = 3  # other values needed to decide that one is far from them
_NINES = re.compile(r"-?9{2,}")
_LONGEST = 400  # characters of a number


@dataclass(frozen=True)
class Numbers:
    """Cells as numbers.

    Attributes:
        values: One number per cell, NaN if the cell is not a number.
        commas: Whether there are decimal commas.
        problem: Why the numbers are ambiguous, or empty.
        unit: Unit in all cells, or empty.
        grouped: Whether some have thousands separators, which suggests quantities.
        coded: Whether some have a leading zero, such as 007, which suggests codes.
    """

    values: NDArray[np.float64]
    commas: bool = False
    problem: str = ""
    unit: str = ""
    grouped: bool = False
    coded: bool = False

    @property
    def are_numbers(self) -> NDArray[np.bool_]:
        """Mask of the cells that are numbers."""
        return ~np.isnan(self.values)

    @property
    def whole(self) -> bool:
        """Whether all numbers are integers, and small enough to be counted exactly."""
        known = self.values[self.are_numbers]
        return bool((known == np.floor(known)).all() and (np.abs(known) < 1 << 53).all())


def read_numbers(cells: Sequence[str]) -> Numbers:
    """Read distinct cells as numbers.

    A unit that all cells have is removed, and so are thousands separators. A comma is a decimal
    comma if this fits every cell with a comma. `1,234` alone is ambiguous, and so is a column with
    both `1,5` and `1.5`. Then `problem` says so.
    """
    cells = list(cells)
    parted = without_units(cells) if cells else None
    if parted is not None:
        numbers, units = parted
        read = read_numbers(numbers)
        if read.are_numbers.all():
            several = f"it has numbers in {units[0]!r} and in {units[-1]!r}; write one unit"
            problem = several if len(units) > 1 else read.problem
            return replace(read, unit=units[0], problem=problem)
    plain = _without_marks(cells)
    read = _read(plain)
    return replace(read, grouped=plain != cells, coded=any(map(_CODE.fullmatch, cells)))


def _without_marks(cells: Sequence[str]) -> list[str]:
    """Remove thousands separators that are not ambiguous."""
    found = [_BETWEEN.sub("", cell) if _SPACED.fullmatch(cell) else cell for cell in cells]
    sure = next((cell for cell in found if _THOUSANDS.fullmatch(cell)), None)
    if sure is None:
        return found
    mark = "," if "," in sure else "."
    whole = re.compile(rf"[+-]?\d{{1,3}}(?:{re.escape(mark)}\d{{3}})*", re.ASCII)
    return [cell.replace(mark, "") if whole.fullmatch(cell) else cell for cell in found]


def _read(cells: Sequence[str]) -> Numbers:
    with_comma = [cell for cell in cells if "," in cell]
    commas = [c for c in with_comma if _COMMA.fullmatch(c) or _GROUPED_COMMA.fullmatch(c)]
    values = np.array([_number(cell) for cell in cells], np.float64)
    if not commas:
        return Numbers(values)
    points = [cell for cell in cells if "." in cell and "," not in cell and _POINT.fullmatch(cell)]
    points += [cell for cell in with_comma if _GROUPED_POINT.fullmatch(cell)]
    if points:
        problem = f"it has {commas[0]!r} and {points[0]!r}; write all numbers with a decimal point"
    elif all(_EITHER.fullmatch(cell) for cell in commas):
        problem = f"{commas[0]!r} may have a decimal comma or be in thousands; write a point"
    else:
        problem = ""
    return Numbers(values, commas=True, problem=problem)


def _number(cell: str) -> float:
    if len(cell) > _LONGEST:
        return math.nan
    if "," not in cell:
        return _finite(cell) if _POINT.fullmatch(cell) else math.nan
    if _COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    elif _GROUPED_COMMA.fullmatch(cell):
        cell = cell.replace(".", "").replace(",", ".")
    elif _GROUPED_POINT.fullmatch(cell):
        cell = cell.replace(",", "")
    else:
        return math.nan
    return _finite(cell)


def _finite(cell: str) -> float:
    value = float(cell)
    return value if math.isfinite(value) else math.nan


def lone_value(values: NDArray[np.float64]) -> float | None:
    """Return a number far from all others, such as -9999 for a missing value, or None.

    Args:
        values: Distinct values. With fewer than four, the result is None.

    Returns:
        The smallest or largest value, if its distance to the next one is 20 times the range of the
        others. If its digits are all 9, the range itself is enough. Also -1, if all others are
        integers of 0 or more.
    """
    ordered = np.sort(values)
    if len(ordered) < _FEW:
        return None
    for lone, others in ((ordered[0], ordered[1:]), (ordered[-1], ordered[:-1])):
        span = max(float(others[-1] - others[0]), 1e-300)
        gap = float(min(abs(lone - others[0]), abs(lone - others[-1])))
        nines = lone == np.floor(lone) and _NINES.fullmatch(f"{lone:.0f}") is not None
        far = gap > (span if nines else 20 * span)
        if far and len(others) >= _FEW - nines:
            return float(lone)
    if ordered[0] == -1 and ordered[1] >= 0 and (ordered == np.floor(ordered)).all():
        return -1.0
    return None
