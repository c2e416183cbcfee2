"""Read tables of text: find encoding and delimiter, and read every cell as text."""

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from multihead.datasets.table.cells import Cell, Column, Table
from multihead.datasets.table.limits import MOST_COLUMNS, check_size
from multihead.datasets.table.names import different
from multihead.errors import DataError
from multihead.text import one_line

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_LOOKED_AT = 50  # lines that decide the delimiter
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text_table(path: Path, raw: bytes) -> Table:
    """Read a table whose first line has the column names.

    Args:
        path: Path of the table, for messages.
        raw: The file's bytes.

    Raises:
        DataError: If it is not text, has no rows, or a row has too few or too many cells.
    """
    where = one_line(str(path))
    text, notes = _decoded(raw, where)
    text, delimiter = _delimiter(text, path.suffix.lower())
    if not text.strip():
        raise DataError(f"{where} is empty; its first line must name the columns.")
    if '"' in text:
        _check_quotes(text, delimiter, where)
    found = _parsed(text, delimiter, where)
    check_size(where, found.num_rows, found.num_columns)
    if not found.num_rows:
        raise DataError(f"{where} has no rows below the names of its columns.")
    names, cells = different(found.column_names), [_stripped(part) for part in found.columns]
    count = _filled(cells, found.num_rows)
    if not count:
        raise DataError(f"{where} has no rows below the names of its columns.")
    if count < found.num_rows:
        empty = found.num_rows - count
        notes.append(f"{path.name} ends with empty rows ({empty:,}), which are left out")
    columns = [Column.of_cells(name, part[:count]) for name, part in zip(names, cells, strict=True)]
    if delimiter != ",":
        notes.append(f"{path.name} is read with the delimiter {DELIMITERS[delimiter]}")
    return Table.of_columns(path, columns, count, notes)


def _filled(columns: Sequence[Sequence[Cell]], count: int) -> int:
    """Return the number of rows up to the last one with a cell that is not empty."""
    while count and not any(cells[count - 1] for cells in columns):
        count -= 1
    return count


def _stripped(cells: pa.ChunkedArray) -> list[Cell]:
    return [cell.strip() for cell in cells.to_pylist()]


def _decoded(raw: bytes, where: str) -> tuple[str, list[str]]:
    """Return a file's text, and a note if it is not UTF-8."""
    name = Path(where).name
    try:
        if raw.startswith(_UTF16):
            return raw.decode("utf-16"), [f"{name} is read as UTF-16"]
        text, notes = raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        try:
            text, notes = raw.decode("cp1252"), [f"{name} is no UTF-8; it is read as Windows-1252"]
        except UnicodeDecodeError as error:
            raise DataError(
                f"{where} is text neither in UTF-8 nor in Windows-1252 ({error.reason} at byte "
                f"{error.start:,}); save it as UTF-8."
            ) from None
    if "\0" in text:
        raise DataError(f"{where} has zero bytes, so it is no table of text; save it as CSV.")
    return text, notes


def _delimiter(text: str, suffix: str) -> tuple[str, str]:
    """Return the text of the table and its delimiter."""
    first = text[:6].lower()
    if first[:4] == "sep=" and first[4:5] in DELIMITERS:  # spreadsheets may write this line
        return text.partition("\n")[2], first[4]
    if suffix in (".tsv", ".tab"):
        return text, "\t"
    start = "\n".join(text.splitlines()[:_LOOKED_AT])
    return text, max(DELIMITERS, key=lambda delimiter: _fitness(start, delimiter))


def _fitness(start: str, delimiter: str) -> tuple[bool, int]:
    """Return whether all rows have the same number of cells, above 1, and that number."""
    try:
        rows = [row for row in csv.reader(io.StringIO(start), delimiter=delimiter) if row]
    except csv.Error:
        return False, 0
    width = len(rows[0]) if rows else 0
    # The last row may continue beyond the inspected lines.
    return width > 1 and all(len(row) == width for row in rows[:-1] or rows), width


def _parsed(text: str, delimiter: str, where: str) -> pa.Table:
    names = _first_line(text, delimiter, where)
    if len(names) > MOST_COLUMNS:  # before the columns take memory
        check_size(where, text.count("\n"), len(names))
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(text.encode()),
            read_options=arrow_csv.ReadOptions(
                use_threads=False,  # errors name the row only without threads
                skip_rows=0,
                column_names=[str(place) for place in range(len(names))],
                block_size=max(1 << 20, min(len(text) * 4, 1 << 28)),
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types={str(place): pa.string() for place in range(len(names))},
                strings_can_be_null=False,
            ),
        )[1:].rename_columns(names)
    except pa.ArrowInvalid as error:
        raise _ragged(str(error), where) from None


def _check_quotes(text: str, delimiter: str, where: str) -> None:
    """Check that all quotes are closed. An open quote would join all later rows to one cell.

    Raises:
        DataError: If one is not closed. The message has the row.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for row in rows:
            number += bool(row)
    except csv.Error as error:
        raise DataError(
            f"{where}: row {number:,} has a quote that does not fit ({error}); double the quotes "
            f"within a cell, and put the cell in quotes."
        ) from None


def _first_line(text: str, delimiter: str, where: str) -> list[str]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return next(row for row in rows if row)
    except csv.Error as error:
        raise DataError(one_line(f"{where} cannot be read as a table: {error}.")) from None


def _ragged(error: str, where: str) -> DataError:
    """Make a message from `CSV parse error: Row #3: Expected 2 columns, got 3: ...`."""
    number, _, rest = error.partition("Row #")[2].partition(": ")
    if not number.isdecimal():
        return DataError(one_line(f"{where} cannot be read as a table: {error[:300]}"))
    counts = rest.partition(": ")[0].replace("Expected ", "").replace(" columns, got ", " ")
    wanted, _, found = counts.partition(" ")
    return DataError(
        f"{where}: row {int(number) - 1:,} has {found} cells, but the first line names {wanted} "
        f"columns; give each row as many, and put text with a delimiter in it in quotes."
    )
