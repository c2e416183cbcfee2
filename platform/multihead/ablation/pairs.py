"""Pair the values of an arm and of the baseline by seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.metrics.metric import Unit
from multihead.metrics.registry import unit_of

MEAN = "mean"
# Separates seed and fold in the column `seed` of an ablation with folds, such as `1 fold 0`.
FOLD = " fold "
# (arm, head, metric) of all planned values, in the order of the values.
Planned = Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Pair:
    """The values of an arm and of the baseline for a metric of a head.

    Attributes:
        arm: Name of the arm.
        head: Name of the head, or `mean`.
        metric: Name of the metric, without split and head.
        ours: Values of the arm, [n], for the seeds that both have.
        theirs: Values of the baseline, [n], for the same seeds.
        notes: What a reader has to know about the choice of values.
        planned: Whether values of both were planned. If so, the pair counts as a test even if its
            values are missing.
    """

    arm: str
    head: str
    metric: str
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    notes: tuple[str, ...]
    planned: bool = False

    @property
    def n(self) -> int:
        """The number of seeds that both have."""
        return len(self.ours)


def over_folds(values: pd.DataFrame) -> bool:
    """Return whether the pairs of an ablation are folds, according to its column `seed`."""
    return bool(values["seed"].astype(str).str.contains(FOLD, regex=False).any())


def with_mean(values: pd.DataFrame, count: int | None = None) -> pd.DataFrame:
    """Return values with new rows of the head `mean`: the mean over the heads.

    Means over different heads cannot be compared. So only a metric that all heads share has a mean,
    and only for an arm and seed with values of all heads. A single head has no mean.

    Args:
        values: Columns arm, seed, head, metric, split, value. Other columns are "" in the new rows.
            Existing rows of the head `mean` are replaced.
        count: Number of heads; if None, the number of heads in the table.
    """
    heads = values[values["head"] != MEAN]
    count = heads["head"].nunique() if count is None else count
    if count < 2:
        return heads
    finite = heads[np.isfinite(heads["value"])]
    keys = ["arm", "seed", "metric", "split"]
    means = finite.groupby(keys, sort=False)["value"].agg(["mean", "size"]).reset_index()
    whole = means[means["size"] == count].drop(columns="size").rename(columns={"mean": "value"})
    others = {name: "" for name in values.columns if name not in (*keys, "head", "value")}
    return pd.concat([heads, whole.assign(head=MEAN, **others)], ignore_index=True)


def judging_values(values: pd.DataFrame) -> pd.DataFrame:
    """Return the finite values that judge the heads: those of each head's first metric.

    The first metric of a head is the first one in the table that has a finite value. It is the same
    in all arms.

    Args:
        values: Values of one split: arm, seed, head, metric, value. The head `mean` is left out.

    Returns:
        At most one row per arm, seed and head.
    """
    rows = values[values["head"] != MEAN]
    finite = rows[np.isfinite(rows["value"])]
    metrics = rows[["head", "metric"]].drop_duplicates()
    there = metrics.merge(finite[["head", "metric"]].drop_duplicates())
    judged = there.drop_duplicates("head").set_index("head")["metric"]
    own = finite[finite["metric"] == finite["head"].map(judged)]
    return own.drop_duplicates(["arm", "seed", "head"])


def pairs(values: pd.DataFrame, baseline: str, planned: Planned | None = None) -> Iterator[Pair]:
    """Yield the pairs of each arm with the baseline, by arm, head (the mean last) and metric.

    Heads that the arm lacks are left out. A metric of a head that only one of the two arms has
    gives an empty pair with a note. So does a planned metric without values.

    Args:
        values: Values of one split, at most one per arm, seed, head and metric.
        baseline: Name of the baseline arm.
        planned: (arm, head, metric) of all planned values; if None, the measured ones.
    """
    whole = with_mean(values, None if planned is None else len({head for _, head, _ in planned}))
    wide = whole.assign(value=whole["value"].where(np.isfinite(whole["value"]))).pivot(
        index=["arm", "seed"], columns=["head", "metric"], values="value"
    )
    found = list(zip(whole["head"], whole["metric"], strict=True))
    wanted = [] if planned is None else with_planned_means(planned)
    columns = list(dict.fromkeys([*((head, metric) for _, head, metric in wanted), *found]))
    # The metrics of a head are adjacent, in the order in which they appear in the table.
    heads = {head: i for i, head in enumerate(dict.fromkeys(head for head, _ in columns))}
    columns.sort(key=lambda column: heads[column[0]])
    wide = wide.reindex(columns=pd.MultiIndex.from_tuples(columns, names=wide.columns.names))
    theirs = wide.loc[baseline]
    tests, has = set(wanted), {(arm, head) for arm, head, _ in wanted}
    for arm in dict.fromkeys([*(arm for arm, _, _ in wanted), *values["arm"]]):
        if arm == baseline:
            continue
        ours = wide.loc[arm] if arm in wide.index.levels[0] else theirs.iloc[:0]
        for head, metric in columns:
            if (arm, head) in has or not ours[head].isna().all(axis=None):
                both = {(arm, head, metric), (baseline, head, metric)} <= tests
                yield _pair(arm, head, metric, ours[head, metric], theirs[head, metric], both)


def with_planned_means(planned: Planned) -> list[tuple[str, str, str]]:
    """Return the planned values, followed by the means that `with_mean` adds to them."""
    heads = {head for _, head, _ in planned}
    by_arm: dict[tuple[str, str], set[str]] = {}
    for arm, head, metric in planned:
        by_arm.setdefault((arm, metric), set()).add(head)
    whole = [key for key, own in by_arm.items() if own == heads and len(heads) > 1]
    return [*planned, *((arm, MEAN, metric) for arm, metric in whole)]


def _pair(
    arm: str, head: str, metric: str, ours: pd.Series, theirs: pd.Series, planned: bool
) -> Pair:
    both = ours.dropna().index.intersection(theirs.dropna().index).sort_values()
    left = sorted(set(ours.index).union(theirs.index).difference(both))
    notes = []
    if len(both) == 0:
        notes.append(f"no seed has {metric} in both arms")
    elif left:
        notes.append(f"without seeds {', '.join(map(str, left))}, which are not in both arms")
    if head == MEAN and unit_of(metric) is Unit.LABEL:
        notes.append("a mean of errors in each head's own unit")
    of_arm, of_baseline = (s.loc[both].to_numpy(np.float64) for s in (ours, theirs))
    return Pair(arm, head, metric, of_arm, of_baseline, tuple(notes), planned)
