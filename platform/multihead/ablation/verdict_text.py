"""Express a row of the table as a sentence."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from multihead.ablation.pairs import MEAN
from multihead.ablation.power import MOST_SEEDS
from multihead.ablation.rows import FOLDS_NOTE
from multihead.metrics.metric import Unit
from multihead.metrics.registry import unit_of
from multihead.text import decimals_of, rounded

_OF_UNIT = ("mean", "sd", "baseline_mean", "baseline_sd", "delta", "ci_low", "ci_high")
_P = ("p", "p_holm", "p_smallest", "improvement")


def sentence(row: Mapping[str, Any], baseline: str, level: float) -> str:
    """Return the sentence for a row of a comparison's table.

    Args:
        row: The values of the row, by column.
        baseline: Name of the baseline arm.
        level: Confidence level of the interval, between 0 and 1.
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
        figures += ", corrected for folds, which are not independent"
    if row["verdict"] != "inconclusive":
        return f"{place}: {row['verdict']} than {baseline}: {figures}."
    figures += "" if folds else _reach(row, 1 - level) + _needed(row)
    return f"{place}: inconclusive against {baseline}: {figures}."


def rounded_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison's table for display. The numbers of a row have the same decimals.

    The means determine the number of decimals. The p-values have four.
    """
    shown = table.astype(object)
    for place, row in zip(table.index, table.to_dict("records"), strict=True):
        decimals = decimals_of((row[name] for name in ("mean", "baseline_mean")), 4)
        for name in _OF_UNIT:
            shown.loc[place, name] = rounded(row[name], decimals)
        for name in _P:
            shown.loc[place, name] = rounded(row[name], 4)
    return shown


def _reach(row: Mapping[str, Any], alpha: float) -> str:
    if row["p_smallest"] <= alpha:
        return ""
    return f" ({row['n']} seeds cannot give a p below {row['p_smallest']:.2g})"


def _needed(row: Mapping[str, Any]) -> str:
    if row["delta"] == 0:
        return "; there is no difference"
    if pd.isna(row["seeds_needed"]):
        return f"; more than {MOST_SEEDS:,} seeds would be needed to see this difference"
    return f"; about {row['seeds_needed']:,} seeds would be needed to see this difference"


def _delta(row: Mapping[str, Any]) -> str:
    unit = " percentage points" if _is_share(row) else ""
    return f"{_figure(row, 'delta')}{unit} of"


def _interval(row: Mapping[str, Any]) -> str:
    return f"{_figure(row, 'ci_low')} to {_figure(row, 'ci_high')}"


def _figure(row: Mapping[str, Any], name: str) -> str:
    """Return a difference or an end of its interval, with three digits of the largest of them."""
    factor = 100 if _is_share(row) else 1
    decimals = decimals_of((factor * row[each] for each in ("delta", "ci_low", "ci_high")), 3)
    text = rounded(factor * row[name], decimals, sign="+")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _is_share(row: Mapping[str, Any]) -> bool:
    return unit_of(row["metric"]) is Unit.SHARE
