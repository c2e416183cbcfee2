"""Read a table of a recorded report with limits, since a small Parquet file may expand a lot."""

from pathlib import Path
from typing import Any

import pandas as pd

_LARGEST_FILE, _LARGEST_TEXT, _MOST_CELLS = 16 << 20, 256 << 20, 10_000_000
_MOST_COLUMNS = 1000
_CODECS = ("UNCOMPRESSED", "SNAPPY")  # pandas writes these; others can expand a thousandfold


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table that pandas wrote.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is damaged, of a kind that pandas does not write, or too large. The limits
            are 16 MiB, ten million cells and 256 MiB of text.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"{path.name} is larger than {_LARGEST_FILE:,} bytes")
    with parquet.ParquetFile(path) as file:
        _check_claims(file.metadata, path.name)
        fields = list(file.schema_arrow)
    texts = [f.name for f in fields if f.type in (pa.string(), pa.large_string())]
    other = [f for f in fields if f.name not in texts and not _is_plain(f.type)]
    if other:
        raise ValueError(f"{path.name} has a column of type {other[0].type!s:.60}")
    # As dictionaries, so that equal texts are stored once: a long text repeated a million times
    # would fill the memory.
    table = parquet.read_table(path, read_dictionary=texts)
    if sum(_text_bytes(table.column(name)) for name in texts) > _LARGEST_TEXT:
        raise ValueError(f"{path.name} has more than {_LARGEST_TEXT:,} bytes of text")
    for place, field in enumerate(fields):
        if field.name in texts:
            table = table.set_column(place, field, table.column(place).cast(field.type))
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_primitive(kind) or types.is_null(kind)  # numbers, truth values and times
    )


def _check_claims(facts: Any, name: str) -> None:
    cells = facts.num_rows * facts.num_columns
    if cells > _MOST_CELLS or facts.num_columns > _MOST_COLUMNS:
        raise ValueError(f"{name} claims {facts.num_rows:,} rows of {facts.num_columns:,} columns")
    for group in range(facts.num_row_groups):
        for column in range(facts.num_columns):
            codec = facts.row_group(group).column(column).compression
            if codec not in _CODECS:
                raise ValueError(f"{name} is packed as {codec}; {' or '.join(_CODECS)} are read")


def _text_bytes(column: Any) -> int:
    """Return the size in bytes of a column of texts, counting repeated texts each time."""
    from pyarrow import compute

    total = 0
    for chunk in column.chunks:
        lengths = compute.binary_length(chunk.dictionary)
        total += compute.sum(lengths.take(chunk.indices).cast("int64")).as_py() or 0
    return int(total)
