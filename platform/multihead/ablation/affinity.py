"""Compare affinity with the value that it should predict: the gain of heads trained together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from multihead.ablation.gains import Gains
from multihead.ablation.groupings import (
    MOST_HEADS,
    Grouping,
    affinity_of_grouping,
    partitions,
    shown,
)

PAIRS = (
    *("source", "target", "affinity", "affinity_sd", "trainings"),
    *("gain", "gain_low", "gain_high", "seeds", "arm"),
)
GROUPINGS = (
    *("networks", "chosen", "affinity", "gain", "gain_low", "gain_high", "seeds", "needs"),
    *("best_measured", "best_gain", "measured", "possible"),
)
_FIGURES = ("affinity", "gain", "gain_low", "gain_high", "best_gain")


@dataclass(frozen=True)
class Affinity:
    """Affinities and gains of an ablation, and the groupings that affinity would choose.

    Attributes:
        pairs: Columns `PAIRS`, a row per ordered pair of heads. `affinity` is the mean effect of a
            step on source on the loss of target, over trainings. `gain` is the gain of target in a
            network with source, compared with its own network, in percent. `arm` is the arm that
            trained both.
        groupings: Columns `GROUPINGS`, a row per number of networks. `chosen` is the grouping with
            the largest `affinity`. `gain` is its mean gain over heads, in percent, if each of its
            groups was trained; otherwise `needs` names the missing groups. `best_measured` is the
            grouping with the largest gain. `measured` and `possible` are numbers of groupings.
            Empty for more than 8 heads.
    """

    pairs: pd.DataFrame
    groupings: pd.DataFrame


def pair_table(heads: Sequence[str], measured: pd.DataFrame, gains: Gains) -> pd.DataFrame:
    """Return `PAIRS` for all ordered pairs of heads.

    Args:
        heads: The heads of the data.
        measured: The rows of one arm, with the columns `measured_affinity.MEASURED`.
        gains: The gains in the trained groups.
    """
    rows = []
    by_pair = dict(iter(measured.groupby(["source", "target"])["value"]))
    for source in heads:
        for target in heads:
            if source == target:
                continue
            values, gain = by_pair.get((source, target)), gains.of_head(target, (source, target))
            found: list[Any] = [np.nan, np.nan, 0]
            if values is not None:
                found = [values.mean(), values.std(), len(values)]
            arm = gains.arms.get(frozenset((source, target)), "")
            measures = [gain.mean, gain.low, gain.high, gain.seeds, arm]
            rows.append([source, target, *found, *measures])
    return pd.DataFrame(rows, columns=list(PAIRS))


def grouping_table(heads: Sequence[str], pairs: pd.DataFrame, gains: Gains) -> pd.DataFrame:
    """Return `GROUPINGS`: for each number of networks, affinity's choice and the best grouping."""
    rows = list(_grouping_rows(heads, pairs, gains)) if len(heads) <= MOST_HEADS else []
    table = pd.DataFrame(rows, columns=list(GROUPINGS))
    return table.astype(dict.fromkeys(_FIGURES, np.float64))


def matrix(pairs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column of `PAIRS` as a matrix [T, T] by head name; its diagonal is nan."""
    heads = list(dict.fromkeys(pairs["source"]))
    square = pairs.pivot(index="source", columns="target", values=column)
    return square.reindex(index=heads, columns=heads)


def _grouping_rows(
    heads: Sequence[str], pairs: pd.DataFrame, gains: Gains
) -> Iterator[dict[str, Any]]:
    affinity = matrix(pairs, "affinity")
    found: dict[int, list[Grouping]] = {}
    for grouping in partitions(heads):
        found.setdefault(len(grouping), []).append(grouping)
    for networks, groupings in sorted(found.items()):
        scores = {g: affinity_of_grouping(g, affinity) for g in groupings}
        known = [g for g in groupings if np.isfinite(scores[g])]
        chosen = max(known, key=scores.__getitem__, default=None)
        results = {g: gains.of_grouping(g) for g in groupings if not gains.missing(g)}
        results = {g: gain for g, gain in results.items() if np.isfinite(gain.mean)}
        best = max(results, key=lambda g: results[g].mean, default=None)
        row: dict[str, Any] = {"networks": networks, "chosen": "", "needs": "", "seeds": 0}
        if chosen is not None:
            row |= {"chosen": shown(chosen), "affinity": scores[chosen]}
            row["needs"] = "; ".join(
                f"heads: [{', '.join(group)}]" for group in gains.missing(chosen)
            )
        if chosen in results:
            gain = results[chosen]
            row |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
            row["seeds"] = gain.seeds
        row["best_measured"] = "" if best is None else shown(best)
        row["best_gain"] = np.nan if best is None else results[best].mean
        yield {**row, "measured": len(results), "possible": len(groupings)}
