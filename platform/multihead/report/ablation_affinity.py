"""The section on affinity of an ablation's page: matrices, groupings and sentences."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from multihead.ablation.affinity import GROUPINGS, PAIRS, Affinity, matrix
from multihead.ablation.agreement import sentences
from multihead.ablation.groupings import MOST_HEADS
from multihead.ablation.result import Result
from multihead.report.numbers import MISSING, interval, number, places, signed

_STEPS = 6  # shades up to the largest value of a matrix


@dataclass(frozen=True)
class Matrix:
    """A matrix of ordered pairs of heads as text.

    Attributes:
        title: The quantity in its cells.
        rows: For each head, its display name, and the text and CSS class of each cell.
    """

    title: str
    rows: list[tuple[str, list[tuple[str, str]]]]


@dataclass(frozen=True)
class Section:
    """The page's section on affinity.

    Attributes:
        sentences: How well affinity predicted gain, and which grouping it would choose.
        matrices: The affinities and the measured gains.
        groupings: One row per number of networks.
        note: Why there are no groupings; empty if there are some.
        trainings: Number of trainings that measured affinity.
    """

    sentences: list[str]
    matrices: list[Matrix]
    groupings: list[dict[str, Any]]
    note: str
    trainings: int


def affinity_section(result: Result) -> Section | None:
    """Return the section on affinity, or None if affinity was not measured."""
    found = result.affinity
    if found is None:
        return None
    return Section(
        sentences=list(sentences(found, result.comparison.level)),
        matrices=[
            _matrix("Affinity: 1 - loss after / loss before", result, found.pairs, "affinity"),
            _matrix("Measured gain of a pair, %", result, found.pairs, "gain"),
        ],
        groupings=list(_groupings(found.groupings)),
        note=f"Groupings are computed for up to {MOST_HEADS} heads." * found.groupings.empty,
        trainings=int(found.pairs["trainings"].max()),
    )


def affinity_tables(found: Affinity | None) -> dict[str, pd.DataFrame]:
    """Return the tables by file name without suffix."""
    return {} if found is None else {"affinity": found.pairs, "groupings": found.groupings}


def affinity_from(tables: dict[str, pd.DataFrame]) -> Affinity | None:
    """Return the affinities from the tables of `affinity_tables`, which anyone may have written.

    Raises:
        ValueError: If the tables do not have every pair of heads.
    """
    if "affinity" not in tables:
        return None
    pairs, groupings = tables["affinity"][list(PAIRS)], tables["groupings"][list(GROUPINGS)]
    heads = pairs["source"].nunique()
    if heads * (heads - 1) != len(pairs) or set(pairs["source"]) != set(pairs["target"]):
        raise ValueError("the table of affinity does not have every pair of heads")
    return Affinity(pairs, groupings)


def _matrix(title: str, result: Result, pairs: pd.DataFrame, column: str) -> Matrix:
    square = matrix(pairs, column)
    values = square.to_numpy(np.float64)
    finite = np.abs(values[np.isfinite(values)])
    most, decimals = finite.max(initial=0.0), places(finite)
    rows = [
        (result.shown(head), [(signed(v, decimals), _shade(v, most)) for v in row])
        for head, row in zip(square.index, values, strict=True)
    ]
    return Matrix(title, rows)


def _shade(value: float, most: float) -> str:
    """Return a CSS class that shows whether a value is better or worse, and by how much."""
    if not math.isfinite(value) or most == 0:
        return "h0"
    return f"{'h' if value >= 0 else 'n'}{round(_STEPS * abs(value) / most)}"


def _groupings(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    decimals = places(table["affinity"].dropna())
    for row in table.to_dict("records"):
        yield {
            "networks": row["networks"],
            "chosen": row["chosen"] or MISSING,
            "affinity": signed(row["affinity"], decimals),
            "gain": signed(row["gain"], 1),
            "interval": interval(row["gain_low"], row["gain_high"], 1) if row["seeds"] else MISSING,
            "needs": row["needs"],
            "best": row["best_measured"] or MISSING,
            "best_gain": signed(row["best_gain"], 1),
            "measured": f"{number(row['measured'], 0)} of {number(row['possible'], 0)}",
        }
