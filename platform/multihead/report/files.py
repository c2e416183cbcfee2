"""Write the files of a report atomically: its tables as CSV and Parquet, and its texts."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from multihead.errors import ConfigError
from multihead.files import write_atomically, write_text_atomically
from multihead.spreadsheet import write_csv


def write_files(tables: Mapping[str, pd.DataFrame], texts: Mapping[str, str], folder: Path) -> None:
    """Write tables and texts into a folder. The texts are written last, in their order.

    Args:
        tables: Tables by file name without suffix.
        texts: Texts by file name.
        folder: The folder. It is made if it does not exist; files of these names are replaced.

    Raises:
        ConfigError: If the folder cannot be written to.
    """
    try:
        for name, table in tables.items():
            for ending, save in (
                ("csv", partial(write_csv, table)),
                ("parquet", partial(table.to_parquet, index=False)),
            ):
                write_atomically(folder / f"{name}.{ending}", save, durable=False)
        for name, text in texts.items():
            write_text_atomically(folder / name, text, durable=False)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written to ({error.strerror or error}); choose another folder."
        ) from error
