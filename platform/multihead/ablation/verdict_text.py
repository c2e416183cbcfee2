"""What a row of the table says, in a sentence."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from multihead.ablation.pairs import MEAN
from multihead.ablation.power import MOST_SEEDS
from multihead.ablation.rows import FOLDS_NOTE
from multihead.metrics.metric import Unit
from multihead.metrics.registry import unit_of


def sentence(row: Mapping[str, Any], baseline: str, level: float) -> str:
    """Return what a row of a comparison's table says.

    Args:
        row: By column.
        baseline: Name of the arm it is compared with.
        level: Of the interval.
    """
    place = f"{row['arm']}, {row['head']}"
    if row["n"] == 0:
        return f"{place}: inconclusive against {baseline}: {row['note']}."
    figures = f"{_delta(row)} {row['metric']} at n = {row['n']}"
    folds = FOLDS_NOTE in str(row["note"])
    if row["n"] == 1:
        return f"{place}: inconclusive against {baseline}: {figures}; one seed has no spread."
    after = "" if row["head"] == MEAN else " after Holm"
    figures += f", {100 * level:g}% interval {_interval(row)}, p = {row['p_holm']:.2g}{after}"
    if folds:
        figures += ", allowing for folds, which are not independent"
    if row["verdict"] != "inconclusive":
        return f"{place}: {row['verdict']} than {baseline}: {figures}."
    figures += "" if folds else _reach(row, 1 - level) + _needed(row)
    return f"{place}: inconclusive against {baseline}: {figures}."


def _reach(row: Mapping[str, Any], alpha: float) -> str:
    if row["p_smallest"] <= alpha:
        return ""
    return f" ({row['n']} seeds cannot give a p below {row['p_smallest']:.2g})"


def _needed(row: Mapping[str, Any]) -> str:
    if row["delta"] == 0:
        return "; there is no difference to see"
    if pd.isna(row["seeds_needed"]):
        return f"; more than {MOST_SEEDS:,} seeds would be needed to see this difference"
    return f"; about {row['seeds_needed']:,} seeds would be needed to see this difference"


def _delta(row: Mapping[str, Any]) -> str:
    if _is_share(row):
        return f"{100 * row['delta']:+.3g} percentage points of"
    return f"{row['delta']:+.3g} of"


def _interval(row: Mapping[str, Any]) -> str:
    factor = 100 if _is_share(row) else 1
    return f"{factor * row['ci_low']:+.3g} to {factor * row['ci_high']:+.3g}"


def _is_share(row: Mapping[str, Any]) -> bool:
    return unit_of(row["metric"]) is Unit.SHARE
