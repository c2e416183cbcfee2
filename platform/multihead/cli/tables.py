"""Tables on the terminal, and files that appear whole or not at all."""

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
        frame: A row per line.
        title: Stands above.
        formats: By column, how its numbers are written; these columns are flush right.
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
    """Let `write` write a file, which appears under its name only when it is whole.

    Raises:
        ConfigError: If it cannot be written.
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
    """Print what each column of a table becomes, as `DescribesColumns` has it."""
    show_table(described, title, {"values": "{:,}", "missing": "{:,}"})
