"""Compare the arms of an ablation with its baseline: one call, two tables and words.

It sees numbers only: no runs, no store. docs/statistics.md has every column with its formula.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multihead.ablation.multitask import summarise
from multihead.ablation.paired import Comparator, holm, verdict
from multihead.ablation.pairs import MEAN, Pair, pairs
from multihead.ablation.power import seeds_needed
from multihead.ablation.words import sentence
from multihead.errors import ConfigError, DataError
from multihead.studies.definition import direction_of

COLUMNS = (
    *("arm", "head", "metric", "n", "mean", "sd", "baseline_mean", "baseline_sd", "delta"),
    *("ci_low", "ci_high", "p", "p_holm", "p_smallest", "improvement", "verdict"),
    *("seeds_needed", "note"),
)


@dataclass(frozen=True)
class Comparison:
    """How the arms of an ablation compare with its baseline.

    Attributes:
        table: A row per arm (without the baseline), head and metric; `COLUMNS`. `delta` is the
            mean of arm - baseline over the seeds that both have, with the metric's sign: of an
            error, a negative one is better. `verdict` is better, worse or inconclusive, and
            knows the direction.
        summary: A row per arm: arm, delta_m (percent, positive is better), delta_m_note,
            worst_head, worst_delta, mean_rank (1 is best), n_heads.
        sentences: One per arm and head, on the head's first metric, in the order of `table`.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    sentences: tuple[str, ...]


def compare(
    values: pd.DataFrame,
    baseline: str,
    *,
    lower_is_better: Collection[str],
    level: float = 0.95,
    seed: int = 0,
    split: str = "test",
) -> Comparison:
    """Compare each arm with the baseline, head by head, over the seeds that both have.

    An arm is better or worse if the interval of its mean difference excludes 0 and its p, after
    Holm's correction across the heads, is at most `1 - level`; else it is inconclusive. A row
    depends on nothing but its own values and, for `p_holm`, on the p of the arm's other heads.

    Args:
        values: Columns arm, seed, head, metric, split, value. Arms, heads and metrics keep the
            order in which they appear; a head's first metric is the one that it is judged by.
            The mean over the heads is added here; rows of a head `mean` are made anew.
        baseline: The arm that the others are compared with.
        lower_is_better: The metrics of which less is better; see `falling_metrics`.
        level: Of the intervals, between 0 and 1.
        seed: Of the resampling.
        split: The one that is compared.

    Raises:
        ConfigError: If there is no such baseline, or an arm has no metric in common with it.
        DataError: If the split has no values, or two for the same arm, seed, head and metric.
    """
    measured = _checked(values, baseline, split)
    found = pairs(measured, baseline)
    comparator = Comparator(level, np.random.SeedSequence(seed), frozenset(lower_is_better))
    rows = [_row(pair, comparator) for pair in found]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = _judged(table, found, comparator)
    summary = summarise(table, measured, baseline, comparator.lower)
    return Comparison(table, summary, tuple(_sentences(table, baseline, level)))


def falling_metrics(metrics: Iterable[str]) -> frozenset[str]:
    """Return those metrics of heads (`mae`, not `val/slant_mae`) of which less is better.

    Raises:
        ConfigError: If a name does not tell.
    """
    falling = set()
    for metric in metrics:
        try:
            if direction_of(f"test/head_{metric}") == "minimize":
                falling.add(metric)
        except ValueError as error:
            raise ConfigError(
                f"metric {metric!r} does not tell whether more of it is better; "
                f"choose metrics of heads such as acc, mae, rmse, r2 or loss."
            ) from error
    return frozenset(falling)


def _checked(values: pd.DataFrame, baseline: str, split: str) -> pd.DataFrame:
    """Return the rows of the split, if they are such as can be compared."""
    measured = values[(values["split"] == split) & (values["head"] != MEAN)]
    if measured.empty:
        known = sorted(set(values["split"]))
        raise DataError(f"there are no values of split {split!r}; there are those of {known}.")
    key = ["arm", "seed", "head", "metric"]
    twice = measured[measured.duplicated(key)]
    if not twice.empty:
        arm, seed, head, metric = twice[key].iloc[0]
        raise DataError(
            f"arm {arm!r} has {metric} of head {head!r} twice for seed {seed}; keep one run of each."
        )
    arms = list(dict.fromkeys(measured["arm"]))
    if baseline not in arms:
        raise ConfigError(
            f"the baseline {baseline!r} has no values of split {split!r}; "
            f"arms that have: {', '.join(arms)}."
        )
    own = set(measured.loc[measured["arm"] == baseline, "metric"])
    for arm in arms:
        others = set(measured.loc[measured["arm"] == arm, "metric"])
        if not own & others:
            raise ConfigError(
                f"arm {arm!r} has none of the baseline's metrics: it has "
                f"{', '.join(sorted(others))}, and {baseline!r} has {', '.join(sorted(own))}."
            )
    return measured


def _row(pair: Pair, comparator: Comparator) -> dict[str, object]:
    """Return a row of the table, but for what needs the other heads."""
    estimate = comparator.estimate(pair)
    return {
        "arm": pair.arm,
        "head": pair.head,
        "metric": pair.metric,
        "n": len(pair.seeds),
        **estimate.columns,
        "note": "; ".join([*pair.notes, *estimate.notes]),
    }


def _judged(table: pd.DataFrame, found: Sequence[Pair], comparator: Comparator) -> pd.DataFrame:
    raise NotImplementedError(holm, verdict, seeds_needed)


def _sentences(table: pd.DataFrame, baseline: str, level: float) -> Iterable[str]:
    first = ~table.duplicated(["arm", "head"])
    for row in table[first].to_dict("records"):
        yield sentence(row, baseline, level)
