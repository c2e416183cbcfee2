"""Read a table from a file. Every cell becomes text or a list of texts."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from multihead.datasets.table.cells import Cell, Column, Table
from multihead.datasets.table.limits import MOST_BYTES, MOST_COLUMNS, check_size
from multihead.datasets.table.names import different
from multihead.datasets.table.text_file import read_text_table
from multihead.errors import DataError
from multihead.text import is_whole, one_line


def is_table(path: Path) -> bool:
    """Return whether a file is a table, by its name."""
    return path.suffix.lower() in _READERS and not path.name.startswith((".", "~$"))


def read_table(path: Path) -> Table:
    """Read a table. The file name decides between CSV, TSV, Parquet and JSON Lines.

    Raises:
        DataError: If it is not readable, has another format, is too large, or has no rows.
    """
    where = one_line(str(path))
    if not is_table(path):
        hint = "; save spreadsheets as CSV" if path.suffix.lower().startswith(".xls") else ""
        raise DataError(f"{where} is no table; it must end in one of {list(_READERS)}{hint}.")
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise DataError(f"{where} has {size:,} bytes; at most {MOST_BYTES:,} are read.")
        return _READERS[path.suffix.lower()](path, path.read_bytes())
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}.") from None


def _json_lines(path: Path, raw: bytes) -> Table:
    where = one_line(str(path))
    rows: list[Mapping[str, Any]] = []
    try:
        # Not splitlines, which also divides at characters that may stand in a JSON text.
        lines = raw.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is no UTF-8 ({error.reason} at byte {error.start:,}).") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                one_line(f"{where}: line {number:,} is no JSON ({str(error)[:100]}).")
            ) from None
        if not isinstance(row, dict):
            raise DataError(f"{where}: line {number:,} is no object; write a {{...}} per line.")
        rows.append(row)
    if not rows:
        raise DataError(f"{where} has no rows.")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    check_size(where, len(rows), len(keys))
    names = different(keys)
    columns, notes = [], []
    for name, key in zip(names, keys, strict=True):
        values = [row.get(key) for row in rows]
        if any(_is_nested(value) for value in values):
            shown = one_line(name, 60)
            notes.append(f"column {shown!r} holds objects, which are no labels; it is ignored")
        else:
            columns.append(Column.of_cells(name, [_cell(v, where, name) for v in values]))
    if not columns:
        raise DataError(f"{where}: {notes[0] if notes else 'it has no columns'}.")
    return Table.of_columns(path, columns, len(rows), notes)


def _is_nested(value: Any) -> bool:
    """Return whether a JSON value is an object, or a list of lists or objects."""
    inner = value if isinstance(value, list) else ()
    return isinstance(value, dict) or any(isinstance(one, list | dict) for one in inner)


def _parquet(path: Path, raw: bytes) -> Table:
    where = one_line(str(path))
    try:
        file = parquet.ParquetFile(pa.BufferReader(raw))
        meta = file.metadata
        check_size(where, meta.num_rows, min(meta.num_columns, MOST_COLUMNS + 1))
        taken = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
        if taken > MOST_BYTES:
            raise DataError(f"{where} unpacks to {taken:,} bytes; at most {MOST_BYTES:,} are read.")
        read = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(one_line(f"{where} is no Parquet file: {str(error)[:200]}.")) from None
    if not read.num_rows:
        raise DataError(f"{where} has no rows.")
    columns, notes = [], []
    for name, cells in zip(different(read.column_names), read.columns, strict=True):
        kept = _dense(cells)
        if kept is None:
            notes.append(f"column {name!r} holds {cells.type}, which is no label; it is ignored")
            continue
        columns.append(Column.of_cells(name, [_cell(cell, where, name) for cell in kept]))
    return Table.of_columns(path, columns, read.num_rows, notes)


def _dense(cells: pa.ChunkedArray) -> list[Any] | None:
    """Return a column's values, or None if the type is not text, number or list."""
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    values: list[Any] = cells.to_pylist()
    return values


def _cell(value: Any, where: str, name: str) -> Cell:
    """Return a value as text: numbers as in Python, booleans as `true` and `false`."""
    if isinstance(value, list | tuple):
        return tuple(str(_cell(inner, where, name)) for inner in value)
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = str(value).strip()
    if not is_whole(text):
        raise DataError(one_line(f"{where}: column {name!r} has half of a surrogate pair."))
    return text


_READERS: Mapping[str, Callable[[Path, bytes], Table]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), read_text_table),
    **dict.fromkeys((".jsonl", ".ndjson"), _json_lines),
    ".parquet": _parquet,
}
