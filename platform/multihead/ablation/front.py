"""The Pareto front of the arms between the heads, and their hypervolumes.

An arm is a point with a coordinate per head: its mean over seeds. Single-task networks are not on
the front, because no single network reaches their point. They show the result of each head alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multihead.ablation.hypervolume import hypervolume, non_dominated
from multihead.ablation.paired import bca_interval
from multihead.ablation.pairs import judging_values

POINTS = ("arm", "head", "metric", "n", "mean", "low", "high", "reference", "ideal")
FRONT = ("arm", "networks", "front", "hypervolume", "hypervolume_seeds", "seeds")
WHOLE = "the front"
_FEWEST_FOR_INTERVAL = 2


@dataclass(frozen=True)
class Front:
    """The arms as points with a coordinate per head.

    Attributes:
        points: Columns `POINTS`: the mean over the arm's seeds with its interval. `reference` and
            `ideal` are the worst and the best value of the head in any arm and seed.
        table: Columns `FRONT`: a row per arm that has all heads, and a row for the front of all
            arms. A volume is NaN if there are too many points and heads to compute it.
    """

    points: pd.DataFrame
    table: pd.DataFrame


def front(
    values: pd.DataFrame,
    lower_is_better: Collection[str],
    single_task: Collection[str] = (),
    *,
    level: float = 0.95,
) -> Front | None:
    """Return the arms as points, whether each one is on the front, and their hypervolumes.

    For every head, the reference is the worst value of any arm and seed, and the ideal is the best
    one. The box between them has the hypervolume 1. Source: Zitzler & Thiele, IEEE Transactions on
    Evolutionary Computation 3, 1999.

    Args:
        values: Values of one split: arm, seed, head, metric, value. A head is judged by its first
            metric.
        lower_is_better: Metrics of which a lower value is better.
        single_task: Arms with a network per head.
        level: Confidence level of the intervals, between 0 and 1.

    Returns:
        The points and the table; None for fewer than two heads.
    """
    rows = judging_values(values)
    judged = rows.drop_duplicates("head").set_index("head")["metric"]
    if len(judged) < 2:
        return None
    signs = pd.Series({h: -1.0 if m in lower_is_better else 1.0 for h, m in judged.items()})
    signed = rows.assign(value=rows["value"] * rows["head"].map(signs))
    ends = signed.groupby("head", sort=False)["value"].agg(["min", "max"])
    points = _points(rows, ends, signs, level)
    wide = signed.pivot(index=["arm", "seed"], columns="head", values="value")[list(judged.index)]
    width = (ends["max"] - ends["min"]).loc[list(judged.index)]
    scaled = ((wide - ends["min"]) / width.where(width > 0, 1.0)).dropna()
    order = [arm for arm in dict.fromkeys(rows["arm"]) if arm in scaled.index.unique("arm")]
    return Front(points, _table(scaled, order, single_task))


def _points(rows: pd.DataFrame, ends: pd.DataFrame, signs: pd.Series, level: float) -> pd.DataFrame:
    found = []
    for (arm, head), part in rows.groupby(["arm", "head"], sort=False):
        own = part["value"].to_numpy(np.float64)
        enough = len(own) >= _FEWEST_FOR_INTERVAL
        low, high = bca_interval(own, level, seed=0) if enough else (np.nan, np.nan)
        worst, best = (signs[head] * ends.loc[head, end] for end in ("min", "max"))
        found.append(
            (arm, head, part["metric"].iloc[0], len(own), own.mean(), low, high, worst, best)
        )
    return pd.DataFrame(found, columns=list(POINTS))


def _table(
    scaled: pd.DataFrame, order: Sequence[str], single_task: Collection[str]
) -> pd.DataFrame:
    """Return `FRONT` for values from 0 (the reference) to 1 (the ideal), by arm and seed."""
    means = scaled.groupby(level="arm").mean().loc[list(order)]
    shared = [arm for arm in order if arm not in single_task]
    best = set(np.array(shared)[non_dominated(means.loc[shared].to_numpy(np.float64))])

    def volume(points: pd.DataFrame) -> float:
        return hypervolume(points.to_numpy(np.float64))

    rows = [
        (
            arm,
            "a network per head" if arm in single_task else "one network",
            arm in best,
            volume(means.loc[[arm]]),
            volume(scaled.loc[[arm]]),
            len(scaled.loc[[arm]]),
        )
        for arm in means.index
    ]
    if shared:
        own = scaled[scaled.index.get_level_values("arm").isin(shared)]
        rows.append((WHOLE, "", True, volume(means.loc[shared]), volume(own), len(own)))
    return pd.DataFrame(rows, columns=list(FRONT))
