"""Describe what each column became, for people."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Described:
    """The description of one column.

    Attributes:
        column: Its name in the table.
        becomes: Its kind, or `ignored`, `pictures`, `split`, `group`, `tag of ...`.
        head: The head's name, or empty.
        why: The reason in a few words.
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
    """Return a row per column; `head` is set only if it differs from the column's name."""
    rows = pd.DataFrame([vars(row) for row in described])
    alike = (rows["head"] == "") | (rows["head"] == rows["column"])
    return rows.drop(columns="head") if alike.all() else rows
