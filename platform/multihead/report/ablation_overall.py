"""The page's sections on arms over all heads: ranks and the Pareto front."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd
from markupsafe import Markup

from multihead.ablation.front import WHOLE, Front
from multihead.ablation.ranks import Ranking
from multihead.ablation.result import Result
from multihead.ablation.statistics import falling_metrics
from multihead.report.ablation_charts import Card
from multihead.report.charts.arms import Arm
from multihead.report.charts.front import Axis, Estimate, Spot, front_chart
from multihead.report.charts.ranks import rank_chart
from multihead.report.numbers import MISSING, number

MOST_PAIRS = 6


@dataclass(frozen=True)
class Ranks:
    """The ranking of arms, for the page.

    Attributes:
        sentence: The conclusion in words.
        chart: Average ranks, with bars over groups if pairs were compared.
        grouped: Whether every two arms were compared.
        rows: Arm, average rank and letters of its groups.
    """

    sentence: str
    chart: Markup
    grouped: bool
    rows: list[tuple[Arm, str, str]]


def ranks(found: Ranking | None, arms: Mapping[str, Arm]) -> Ranks | None:
    """Return the ranking of arms for the page; None without a ranking."""
    if found is None:
        return None
    order = [(arms[a], r) for a, r in zip(found.table["arm"], found.table["rank"], strict=True)]
    chart = rank_chart(order, [[arms[name] for name in group] for group in found.groups])
    rows = [
        (arm, number(rank, 2), letters or MISSING)
        for (arm, rank), letters in zip(order, found.table["groups"], strict=True)
    ]
    return Ranks(found.sentence, chart, not found.pairs.empty, rows)


def front_cards(result: Result, arms: Mapping[str, Arm]) -> Iterator[Card]:
    """Yield a chart for each of the first `MOST_PAIRS` pairs of heads."""
    if result.front is None:
        return
    points = result.front.points
    metrics = points.drop_duplicates("head").set_index("head")["metric"]
    falling = falling_metrics(metrics.unique())
    axes = {
        head: Axis(f"{result.shown(head)}, {metric}", metric in falling)
        for head, metric in metrics.items()
    }
    for across, up in pairs_of_heads(result.front)[:MOST_PAIRS]:
        spots = _spots(points, across, up, falling, result.single_task, arms)
        if spots:
            title = f"{result.shown(across)} and {result.shown(up)}"
            yield title, front_chart(spots, axes[across], axes[up])


def pairs_of_heads(front: Front) -> list[tuple[str, str]]:
    """Return every pair of heads, in the order of the heads."""
    return list(combinations(dict.fromkeys(front.points["head"]), 2))


def front_rows(result: Result, arms: Mapping[str, Arm]) -> Iterator[dict[str, Any]]:
    """Yield the hypervolume of each arm, and that of the front of all single networks."""
    if result.front is None:
        return
    for row in result.front.table.to_dict("records"):
        whole = row["arm"] == WHOLE and row["networks"] == ""
        alone = whole or row["arm"] in result.single_task
        yield {
            "arm": None if whole else arms[row["arm"]],
            "networks": row["networks"],
            "front": MISSING if alone else "yes" if row["front"] else "no",
            "volume": number(row["hypervolume"], 3),
            "of_seeds": number(row["hypervolume_seeds"], 3),
            "seeds": row["seeds"],
        }


def _spots(
    points: pd.DataFrame,
    across: str,
    up: str,
    falling: frozenset[str],
    single_task: frozenset[str],
    arms: Mapping[str, Arm],
) -> list[Spot]:
    """Return the points of the arms that have both heads."""
    by_head = {head: points[points["head"] == head].set_index("arm") for head in (across, up)}
    both = [arm for arm in by_head[across].index if arm in by_head[up].index]
    values = {
        arm: tuple(_goodness(by_head[head].loc[arm], falling) for head in (across, up))
        for arm in both
        if arm not in single_task
    }
    return [
        Spot(
            arm=arms[arm],
            x=_estimate(by_head[across].loc[arm]),
            y=_estimate(by_head[up].loc[arm]),
            best=arm in values and not any(_beats(v, values[arm]) for v in values.values()),
            single_task=arm in single_task,
        )
        for arm in both
    ]


def _goodness(row: pd.Series, falling: frozenset[str]) -> float:
    return float(-row["mean"] if row["metric"] in falling else row["mean"])


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def _estimate(row: pd.Series) -> Estimate:
    return Estimate(float(row["mean"]), float(row["low"]), float(row["high"]))
