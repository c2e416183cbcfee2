"""What became of each column, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Described:
    """One column.

    Attributes:
        column: The table's own name.
        becomes: Its kind, or `ignored`, `pictures`, `split`, `group`, `tag of ...`.
        head: The head's name, or empty.
        why: In a few words.
        values: Number of distinct labels.
        missing: Number of rows without a label.
    """

    column: str
    becomes: str
    head: str
    why: str
    values: int
    missing: int


def frame(described: Sequence[Described]) -> pd.DataFrame:
    """Return a row per column; `head` only where the name of a head differs from its column's."""
    rows = pd.DataFrame([vars(row) for row in described])
    alike = (rows["head"] == "") | (rows["head"] == rows["column"])
    return rows.drop(columns="head") if alike.all() else rows
