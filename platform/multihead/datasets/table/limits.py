"""Size limits of tables. Larger tables are refused before they take memory."""

from multihead.errors import DataError

MOST_BYTES = 2 << 30
MOST_ROWS = 10_000_000
MOST_COLUMNS = 2_000
MOST_CELLS = 100_000_000


def check_size(where: str, rows: int, columns: int) -> None:
    """Check the size of a table.

    Raises:
        DataError: If it exceeds a limit. The message names the limits.
    """
    if rows > MOST_ROWS or columns > MOST_COLUMNS or rows * columns > MOST_CELLS:
        raise DataError(
            f"{where} has {rows:,} rows of {columns:,} columns; at most {MOST_ROWS:,} rows, "
            f"{MOST_COLUMNS:,} columns and {MOST_CELLS:,} cells are read."
        )
