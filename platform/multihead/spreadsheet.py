"""Write tables as CSV for people and as JSON for programs.

A spreadsheet program runs a text that looks like a formula (CWE-1236). In CSV, such a cell gets an
apostrophe. All texts are put on one line without control characters; numbers stay unchanged. JSON
and Parquet have every value unchanged.
"""

import json
import math
import re
import unicodedata
from datetime import datetime
from numbers import Number
from pathlib import Path
from typing import Any

import pandas as pd

from multihead.text import one_line

_FORMULA = "=+-@"
# A spreadsheet program with other settings may split a cell at these characters.
_DELIMITER = re.compile(r"([,;])")
_NOT_PLAIN = re.compile(r"[^\n -~]")
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?: ?[a-z%°µ]+)?|inf|nan)[\])}]*",
    re.IGNORECASE | re.ASCII,
)


def csv_text(table: pd.DataFrame, *, index: bool = False) -> str:
    """Return a table as CSV in which no cell is a formula.

    Args:
        table: The table; its numbers keep all digits.
        index: Whether to write its index as the first column.
    """
    safe = table.apply(lambda column: column if _is_safe(column) else column.map(_cell))
    safe.columns = pd.Index([_cell(str(name)) for name in table.columns])
    if index:
        safe.index = table.index.map(_cell).rename(_cell(table.index.name))
    text: str = safe.to_csv(index=index)
    return text


def write_csv(table: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """Write a table as CSV; see `csv_text`."""
    path.write_text(csv_text(table, index=index), encoding="utf-8")


def json_text(table: pd.DataFrame) -> str:
    """Return a table as a JSON list with an object per row.

    Numbers are exact; NaN, infinity and missing values are null; times are in ISO 8601. Characters
    that are not visible are escaped as JSON allows, so the values do not change.
    """
    rows = [
        {str(name): _value(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]
    text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)
    return _NOT_PLAIN.sub(_as_json, text) + "\n"


def defused(text: str) -> str:
    """Return text on one line that a spreadsheet program does not run; numbers stay unchanged."""
    parts = _DELIMITER.split(one_line(text))
    return "".join(f"'{part}" if _runs(part) else part for part in parts)


def _is_safe(column: pd.Series) -> bool:
    kind = pd.api.types
    return bool(kind.is_numeric_dtype(column) or kind.is_datetime64_any_dtype(column))


def _runs(text: str) -> bool:
    found = text.strip(' "')
    # Some spreadsheet programs also accept wide and small forms of these characters.
    first = unicodedata.normalize("NFKC", found[:1])
    return first[:1] in _FORMULA and bool(first) and not _NUMBER.fullmatch(found)


def _cell(value: Any) -> Any:
    if value is None or value is pd.NA or isinstance(value, Number | datetime):
        return value
    return defused(str(value))


def _as_json(found: re.Match[str]) -> str:
    return found[0] if one_line(found[0]) == found[0] else json.dumps(found[0])[1:-1]


def _value(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value
