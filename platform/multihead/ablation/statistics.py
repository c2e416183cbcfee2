"""Compare the arms of an ablation with its baseline: one call, two tables and words.

It sees numbers only: no runs, no store. Every column has its formula in
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
            arm - baseline with the metric's sign: of an error, a negative one is better;
            `improvement` and `verdict` (better, worse, inconclusive) know the direction.
        summary: A row per arm: arm, delta_m (percent, positive is better), delta_m_note,
            worst_head, worst_delta (as in `table`), mean_rank (1 is best), n_heads.
        sentences: One per arm and head, on the head's first metric, in the order of `table`.
        level: Of the intervals; `1 - level` is what a p has to reach.
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

    An arm is better or worse if the interval of the mean difference excludes 0 and the p, after
    Holm's correction across the heads, is at most `1 - level`; else it is inconclusive.

    Args:
        values: Columns arm, seed, head, metric, split, value. Arms, heads and metrics keep the
            order in which they appear; a head's first metric is the one it is judged by. The
            mean over the heads is added here, and rows of a head `mean` are made anew. A value
            that is not finite is none.
        baseline: The arm that the others are compared with.
        lower_is_better: The metrics of which less is better; see `falling_metrics`.
        level: Of the intervals, between 0 and 1.
        seed: Of the resampling.
        split: The one that is compared.
        planned: (arm, head, metric) of what was to be measured, so that what is lost has a row
            and counts in the correction; what was measured if none.
        folds: How many there are, where a pair is a fold and the column seed names it: then p and
            interval are those of `paired.corrected_t`.

    Raises:
        ConfigError: If the baseline has no values, or an arm no metric in common with it.
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
    """Return those metrics of heads (`mae`, not `val/slant_mae`) of which less is better.

    Raises:
        ConfigError: For a name of no metric.
    """
    return frozenset(name for name in metrics if not metric_of(name).higher_is_better)


def families(tested: Sequence[Tested]) -> list[list[int]]:
    """Return which tests are corrected together, as places in the sequence.

    Those of an arm across its heads: the heads' first metrics are one family, their second ones
    another, as each is a table of its own. The mean over the heads asks one question about all
    of them, and is corrected with nothing. A pair without seeds is a test only if it was planned:
    what is lost must not make the correction of the others milder.
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
        lost = np.isnan(p)  # as if it had the largest p there is
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
    """Refuse what cannot be compared at all."""
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
