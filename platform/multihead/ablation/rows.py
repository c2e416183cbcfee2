"""One row of the statistics: an arm against the baseline on a metric of a head."""

import math
from dataclasses import dataclass

import numpy as np

from multihead.ablation.paired import (
    MOST_FLIPS,
    Floats,
    are_equal,
    bca_interval,
    corrected_t,
    differences,
    improvement,
    mean_difference,
    sign_flip_p,
)
from multihead.ablation.pairs import Pair
from multihead.ablation.power import seeds_needed, smallest_p

COLUMNS = (
    *("arm", "head", "metric", "n", "mean", "sd", "baseline_mean", "baseline_sd", "delta"),
    *("ci_low", "ci_high", "p", "p_holm", "p_smallest", "improvement", "verdict"),
    *("seeds_needed", "note"),
)
FOLDS_NOTE = "folds are not independent: corrected resampled t test"
BETTER, WORSE, INCONCLUSIVE = "better", "worse", "inconclusive"


@dataclass(frozen=True)
class Tested:
    """A pair with its statistics, before the correction across heads.

    Attributes:
        pair: The compared values.
        deltas: Differences, [n].
        interval: Interval of their mean; nan with fewer than two differences.
        p: The p of the sign-flip test (with folds: of the corrected t test); nan without any
            difference.
        notes: What a reader has to know about these numbers.
        folds: Number of folds, if the pairs are folds.
    """

    pair: Pair
    deltas: Floats
    interval: tuple[float, float]
    p: float
    notes: tuple[str, ...]
    folds: int | None = None


def examine(pair: Pair, level: float, seed: int, folds: int | None = None) -> Tested:
    """Return the interval and the p of a pair.

    Args:
        pair: The compared values.
        level: Confidence level of the interval, between 0 and 1.
        seed: Seed of the resampling. All pairs use the same seed, so they do not depend on each
            other.
        folds: Number of folds, if the pairs are folds.
    """
    deltas = differences(pair.ours, pair.theirs)
    if folds is not None and pair.n > 1 and not are_equal(deltas):
        p, interval = corrected_t(deltas, level, folds)
        return Tested(pair, deltas, interval, p, (*pair.notes, FOLDS_NOTE), folds)
    p = sign_flip_p(deltas, seed) if pair.n > 0 else math.nan
    interval = bca_interval(deltas, level, seed) if pair.n > 1 else (math.nan, math.nan)
    return Tested(pair, deltas, interval, p, (*pair.notes, *_notes(deltas)), folds)


def row(tested: Tested, p_holm: float, alpha: float, tests: int, *, falling: bool) -> list[object]:
    """Return a row, in the order of `COLUMNS`.

    Args:
        tested: The pair with its own statistics.
        p_holm: The corrected p.
        alpha: The largest `p_holm` that is significant.
        tests: Number of tests that were corrected together.
        falling: Whether a lower value of the metric is better.
    """
    pair, (low, high) = tested.pair, tested.interval
    delta = mean_difference(tested.deltas) if tested.pair.n else math.nan
    found = verdict(low, high, p_holm, alpha, falling=falling)
    better, worse = (pair.theirs, pair.ours) if falling else (pair.ours, pair.theirs)
    return [
        *(pair.arm, pair.head, pair.metric, pair.n),
        *(_mean(pair.ours), _sd(pair.ours), _mean(pair.theirs), _sd(pair.theirs), delta),
        *(low, high, tested.p, p_holm, 0.0 if tested.folds else smallest_p(pair.n)),
        *(improvement(better, worse) if pair.n else math.nan, found),
        *(_needed(tested, delta, alpha / max(1, tests), found), "; ".join(tested.notes)),
    ]


def verdict(low: float, high: float, p_holm: float, alpha: float, *, falling: bool) -> str:
    """Return better or worse if the interval excludes 0 and `p_holm <= alpha`, else inconclusive.

    The interval alone is not enough, because it is too narrow with few seeds. The p alone would be
    enough, but then a row could have a verdict although its interval contains 0.
    """
    if not (low > 0 or high < 0) or not p_holm <= alpha:
        return INCONCLUSIVE
    return BETTER if (low > 0) != falling else WORSE


def _needed(tested: Tested, delta: float, alpha: float, found: str) -> float:
    """Return the needed number of seeds, or nan. It exceeds n if the verdict is inconclusive."""
    if tested.pair.n < 2 or tested.folds is not None:
        return math.nan  # more seeds of the same folds do not reduce the overlap
    needed = seeds_needed(delta, _sd(tested.deltas), alpha)
    if needed is None:
        return math.nan
    return max(needed, tested.pair.n + 1) if found == INCONCLUSIVE else needed


def _notes(deltas: Floats) -> list[str]:
    notes = []
    if len(deltas) == 1:
        notes.append("one seed: no interval, and no p below 1")
    elif len(deltas) and not deltas.any():
        notes.append("all differences are 0")
    elif len(deltas) and are_equal(deltas):
        notes.append("all differences are equal: the interval is that number")
    if 2 ** len(deltas) > MOST_FLIPS:
        notes.append(f"p from {MOST_FLIPS:,} random sign flips")
    return notes


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _sd(values: Floats) -> float:
    """Return the standard deviation with n - 1; exactly 0 if values differ only by rounding."""
    if len(values) < 2:
        return math.nan
    return 0.0 if are_equal(values) else float(np.std(values, ddof=1))
