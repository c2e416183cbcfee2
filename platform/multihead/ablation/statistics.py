"""Compare the arms of an ablation with its baseline. The result has two tables and sentences.

This module uses tables of numbers only, no runs and no store. The formulas of all columns are in
docs/comparing.md#how-the-statistics-are-computed.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multihead.ablation.multitask import summarise
from multihead.ablation.paired import holm
from multihead.ablation.pairs import MEAN, Planned, pairs
from multihead.ablation.rows import COLUMNS, Tested, examine, row
from multihead.ablation.verdict_text import sentence
from multihead.errors import ConfigError, DataError
from multihead.metrics.registry import metric_of


@dataclass(frozen=True)
class Comparison:
    """How the arms of an ablation compare with its baseline.

    Attributes:
        table: A row per arm (without the baseline), head and metric. Columns arm, head, metric,
            n (seeds that both have), mean, sd, baseline_mean, baseline_sd, delta, ci_low,
            ci_high, p, p_holm, p_smallest, improvement, verdict, seeds_needed, note. `delta` is
            arm - baseline, so a negative `delta` of an error is better. `improvement` and `verdict`
            (better, worse, inconclusive) take into account whether lower is better.
        summary: A row per arm: arm, delta_m (percent, positive is better), delta_m_note,
            worst_head, worst_delta (as in `table`), mean_rank (1 is best), n_heads.
        sentences: One per arm and head, on the head's first metric, in the order of `table`.
        level: Confidence level of the intervals. A verdict needs a p of at most `1 - level`.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    sentences: tuple[str, ...]
    level: float


def compare(
    values: pd.DataFrame,
    baseline: str,
    *,
    lower_is_better: Collection[str],
    level: float = 0.95,
    seed: int = 0,
    split: str = "test",
    planned: Planned | None = None,
    folds: int | None = None,
) -> Comparison:
    """Compare each arm with the baseline, head by head, over the seeds that both have.

    An arm is better or worse if two conditions hold. The interval of the mean difference excludes
    0, and the p is at most `1 - level` after Holm's correction across the heads. Otherwise the
    verdict is inconclusive.

    Args:
        values: Columns arm, seed, head, metric, split, value. Arms, heads and metrics keep the
            order in which they appear. A head's first metric judges the head. This function adds
            the mean over the heads, and replaces rows of a head `mean`. A value that is not finite
            counts as missing.
        baseline: The arm that the others are compared with.
        lower_is_better: The metrics of which a lower value is better; see `falling_metrics`.
        level: Confidence level of the intervals, between 0 and 1.
        seed: Seed of the resampling.
        split: The split that is compared.
        planned: (arm, head, metric) of all planned values. A planned value that is missing has a
            row and counts in the correction. If None, the measured values count as planned.
        folds: Number of folds, if a pair is a fold and the column seed names it. Then p and
            interval are those of `paired.corrected_t`.

    Raises:
        ConfigError: If the baseline has no values, or an arm has no metric in common with it.
        DataError: If there are two values for the same arm, seed, head and metric.
    """
    measured = values[(values["split"] == split) & (values["head"] != MEAN)]
    _check(measured, baseline, split, planned)
    tested = [examine(pair, level, seed, folds) for pair in pairs(measured, baseline, planned)]
    table = pd.DataFrame(_rows(tested, 1 - level, lower_is_better), columns=list(COLUMNS))
    table["seeds_needed"] = table["seeds_needed"].astype("Int64")
    summary = summarise(table, measured, baseline, lower_is_better, planned)
    return Comparison(table, summary, tuple(_sentences(table, baseline, level)), level)


def falling_metrics(metrics: Iterable[str]) -> frozenset[str]:
    """Return the metrics of heads (`mae`, not `val/slant_mae`) of which a lower value is better.

    Raises:
        ConfigError: If there is no metric with a name.
    """
    return frozenset(name for name in metrics if not metric_of(name).higher_is_better)


def families(tested: Sequence[Tested]) -> list[list[int]]:
    """Return the families of tests that are corrected together, as indices of the sequence.

    A family has the tests of one arm across its heads. The first metrics of the heads are one
    family, their second metrics another one. The mean over the heads is a single test, so it is not
    corrected. A pair without seeds counts as a test only if it was planned. So missing values do
    not weaken the correction of the others.
    """
    found: dict[object, list[int]] = {}
    seen: dict[tuple[str, str], int] = {}
    for place, one in enumerate(tested):
        head = (one.pair.arm, one.pair.head)
        rank = seen[head] = seen.get(head, -1) + 1
        if one.pair.n > 0 or one.pair.planned:
            key = (one.pair.arm, one.pair.head == MEAN, rank)
            found.setdefault(key, []).append(place)
    return list(found.values())


def _rows(
    tested: Sequence[Tested], alpha: float, lower_is_better: Collection[str]
) -> list[list[object]]:
    p_holm = np.full(len(tested), np.nan)
    sizes = np.ones(len(tested), dtype=int)
    for places in families(tested):
        p = np.array([tested[place].p for place in places])
        lost = np.isnan(p)  # counts as p = 1 in the correction
        p_holm[places] = np.where(lost, np.nan, holm(np.where(lost, 1.0, p)))
        sizes[places] = len(places)
    return [
        row(one, float(p), alpha, int(size), falling=one.pair.metric in lower_is_better)
        for one, p, size in zip(tested, p_holm, sizes, strict=True)
    ]


def _sentences(table: pd.DataFrame, baseline: str, level: float) -> Iterator[str]:
    for found in table.drop_duplicates(["arm", "head"]).to_dict("records"):
        yield sentence(found, baseline, level)


def _check(measured: pd.DataFrame, baseline: str, split: str, planned: Planned | None) -> None:
    """Raise an error if arms cannot be compared at all."""
    arms = list(dict.fromkeys(measured["arm"]))
    if baseline not in arms:
        raise ConfigError(
            f"the baseline {baseline!r} has no values of split {split!r}; "
            f"arms that have some: {', '.join(arms) or 'none'}."
        )
    key = ["arm", "seed", "head", "metric"]
    twice = measured[measured.duplicated(key)]
    if not twice.empty:
        arm, seed, head, metric = twice[key].iloc[0]
        raise DataError(
            f"arm {arm!r} has {metric} of head {head!r} twice for seed {seed}: keep one run."
        )
    metrics = {arm: set(rows["metric"]) for arm, rows in measured.groupby("arm")}
    for arm, _, metric in planned or ():
        metrics.setdefault(arm, set()).add(metric)
    for arm in dict.fromkeys([*arms, *metrics]):
        if not metrics[arm] & metrics[baseline]:
            raise ConfigError(
                f"arm {arm!r} has none of the metrics of the baseline {baseline!r} "
                f"({', '.join(sorted(metrics[baseline]))}) but {', '.join(sorted(metrics[arm]))}."
            )
