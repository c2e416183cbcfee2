"""The values of an arm and of the baseline, seed by seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MEAN = "mean"
# Metrics in the unit of the head's parameter.
_IN_UNITS = ("mae", "rmse")


@dataclass(frozen=True)
class Pair:
    """What is compared: an arm and the baseline, on a metric of a head.

    Attributes:
        arm: Name.
        head: Name, or `mean`.
        metric: Name, without split and head.
        ours: Values of the arm, [n], of the seeds that both have.
        theirs: Values of the baseline, [n], of the same seeds.
        notes: What a reader has to know of the choice of values.
    """

    arm: str
    head: str
    metric: str
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many seeds both have."""
        return len(self.ours)


def with_mean(values: pd.DataFrame) -> pd.DataFrame:
    """Return values with rows of the head `mean`, made anew: the mean over the heads.

    A metric has one where all heads of the table share it, and an arm and seed where it has all
    of them, as means over different heads say nothing about each other. One head has no mean.

    Args:
        values: Columns arm, seed, head, metric, split, value; others become "" in the new rows.
    """
    heads = values[values["head"] != MEAN]
    count = heads["head"].nunique()
    if count < 2:
        return heads
    finite = heads[np.isfinite(heads["value"])]
    keys = ["arm", "seed", "metric", "split"]
    means = finite.groupby(keys, sort=False)["value"].agg(["mean", "size"]).reset_index()
    whole = means[means["size"] == count].drop(columns="size").rename(columns={"mean": "value"})
    others = {name: "" for name in values.columns if name not in (*keys, "head", "value")}
    return pd.concat([heads, whole.assign(head=MEAN, **others)], ignore_index=True)


def pairs(values: pd.DataFrame, baseline: str) -> Iterator[Pair]:
    """Yield what can be compared with the baseline, by arm, head (the mean last) and metric.

    Heads that the arm does not have are left out. A metric that only one of the two has of the
    arm's heads makes an empty pair, which says so.

    Args:
        values: Of one split, at most one per arm, seed, head and metric.
        baseline: Name of an arm.
    """
    whole = with_mean(values)
    wide = whole.assign(value=whole["value"].where(np.isfinite(whole["value"]))).pivot(
        index=["arm", "seed"], columns=["head", "metric"], values="value"
    )
    theirs = wide.loc[baseline]
    columns = list(dict.fromkeys(zip(whole["head"], whole["metric"], strict=True)))
    # A head's metrics stand together, in the order in which they appear in the table.
    heads = {head: i for i, head in enumerate(dict.fromkeys(head for head, _ in columns))}
    columns.sort(key=lambda column: heads[column[0]])
    for arm in dict.fromkeys(values["arm"]):
        if arm == baseline:
            continue
        ours = wide.loc[arm]
        for head, metric in columns:
            if not ours[head].isna().all(axis=None):
                yield _pair(arm, head, metric, ours[head, metric], theirs[head, metric])


def _pair(arm: str, head: str, metric: str, ours: pd.Series, theirs: pd.Series) -> Pair:
    both = ours.dropna().index.intersection(theirs.dropna().index).sort_values()
    left = sorted(set(ours.index).union(theirs.index).difference(both))
    notes = []
    if len(both) == 0:
        notes.append(f"no seed has {metric} in both arms")
    elif left:
        notes.append(f"without seeds {', '.join(map(str, left))}, which not both arms have")
    if head == MEAN and metric in _IN_UNITS:
        notes.append("a mean of errors in each head's own unit")
    of_arm, of_baseline = (s.loc[both].to_numpy(np.float64) for s in (ours, theirs))
    return Pair(arm, head, metric, of_arm, of_baseline, tuple(notes))
