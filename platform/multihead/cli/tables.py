"""Print tables on the terminal, and write files atomically."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from multihead.errors import ConfigError
from multihead.terminal.lines import say

if TYPE_CHECKING:
    import pandas as pd


def show_table(frame: "pd.DataFrame", title: str, formats: dict[str, str] | None = None) -> None:
    """Print a table.

    Args:
        frame: The table.
        title: The line above the table.
        formats: The number format by column. These columns are aligned right.
    """
    from multihead.terminal.drawn import Screen, table

    formats = formats or {}
    shown = table()
    for column in frame.columns:
        shown.add_column(str(column), justify="right" if column in formats else "left")
    for row in frame.to_dict("records"):
        shown.add_row(*(formats.get(c, "{}").format(value) for c, value in row.items()))
    say(title)
    Screen().print(shown)


def save(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file with `write`. It gets its name only when it is complete.

    Raises:
        ConfigError: If the file cannot be written.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        write(part)
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        part.unlink(missing_ok=True)


def show_columns(described: "pd.DataFrame", title: str = "columns") -> None:
    """Print the use of each column of a table, from a `DescribesColumns`."""
    show_table(described, title, {"values": "{:,}", "missing": "{:,}"})
