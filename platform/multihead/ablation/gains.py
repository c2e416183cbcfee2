"""Gains of heads in the trained groups of an ablation, compared with each head alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multihead.ablation.groupings import Grouping
from multihead.ablation.paired import Floats, are_equal, bca_interval, corrected_t
from multihead.metrics.registry import metric_of


@dataclass(frozen=True)
class Gain:
    """A mean gain, in percent, over the seeds that all compared trainings have.

    Attributes:
        mean: The mean; nan without a seed.
        low: Lower end of the interval; nan with fewer than two seeds.
        high: Upper end of the interval; nan with fewer than two seeds.
        seeds: Number of seeds (or of folds of seeds).
    """

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0


class Gains:
    """The gains of heads, by the group that they were trained in.

    A gain is the relative change of the head's first metric, compared with the head alone. A
    positive gain is better, as in Delta-m. There is no gain if the metric of the head alone is not
    above 0.

    Args:
        values: Values of one split, with the columns `collect.VALUES`.
        arms: The arm that trained each group of heads.
        metrics: The metrics of each head. Only the first one is used.
        level: Confidence level of the intervals, between 0 and 1.
        folds: Number of folds, if a pair is a fold.
    """

    def __init__(
        self,
        values: pd.DataFrame,
        arms: Mapping[frozenset[str], str],
        metrics: Mapping[str, Sequence[str]],
        level: float,
        folds: int | None = None,
    ) -> None:
        self.arms, self.level, self.folds = dict(arms), level, folds
        self.first = {head: names[0] for head, names in metrics.items() if names}
        finite = values[np.isfinite(values["value"])]
        self._series = {
            key: rows.set_index("seed")["value"]
            for key, rows in finite.groupby(["arm", "head", "metric"])
        }

    def of_head(self, head: str, group: Iterable[str]) -> Gain:
        """Return the gain of a head in a group."""
        return self._summary(self._by_seed(head, frozenset(group)))

    def of_grouping(self, grouping: Grouping) -> Gain:
        """Return the mean gain over all heads; nan if a group of several heads was not trained."""
        found = [
            self._by_seed(head, frozenset(group))
            for group in grouping
            if len(group) > 1
            for head in group
        ]
        heads = sum(map(len, grouping))
        if not found:  # each head alone, which is the reference of gains
            return Gain(0.0, 0.0, 0.0, 0)
        together = pd.concat(found, axis=1).dropna()
        return self._summary(together.sum(axis=1) / heads)

    def missing(self, grouping: Grouping) -> list[tuple[str, ...]]:
        """Return the groups of a grouping that no arm trains."""
        return [group for group in grouping if frozenset(group) not in self.arms]

    def _by_seed(self, head: str, group: frozenset[str]) -> pd.Series:
        metric, alone = self.first.get(head, ""), self.arms.get(frozenset([head]), "")
        ours = self._series.get((self.arms.get(group, ""), head, metric))
        theirs = self._series.get((alone, head, metric))
        if ours is None or theirs is None:
            return pd.Series(dtype=np.float64)
        ours, theirs = ours.align(theirs, join="inner")
        mean = float(theirs.mean()) if len(theirs) else math.nan
        sign = 100.0 if metric_of(metric).higher_is_better else -100.0
        return sign * (ours - theirs) / (mean if mean > 0 else math.nan)

    def _summary(self, by_seed: pd.Series) -> Gain:
        found: Floats = by_seed.dropna().to_numpy(np.float64)
        if not len(found):
            return Gain()
        low, high = math.nan, math.nan
        if self.folds is not None and len(found) > 1 and not are_equal(found):
            low, high = corrected_t(found, self.level, self.folds)[1]
        elif len(found) > 1:
            low, high = bca_interval(found, self.level, seed=0)
        return Gain(float(found.mean()), low, high, len(found))
