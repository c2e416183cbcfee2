"""Tests of arms over seeds, and groups of arms that do not differ significantly."""

from collections.abc import Collection, Sequence
from math import ceil, log2

import numpy as np

from multihead.ablation.paired import Floats, differences

LETTERS = "abcdefghijklmnopqrstuvwxyz"  # names of groups
_TIE = 1e-9


def friedman_p(scores: Floats) -> float:
    """Return the p of Friedman's test of scores [blocks, arms]; 1 if all are equal."""
    from scipy import stats

    if (np.ptp(scores, axis=1) <= _TIE).all():
        return 1.0
    return float(stats.friedmanchisquare(*scores.T).pvalue)


def paired_p(ours: Floats, theirs: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of two arms over seeds.

    Heads have different units, so the differences of a head are divided by their root mean square
    over the seeds. Then they are averaged over the heads. Other arms do not affect the result.

    Args:
        ours: Values of one arm, [seeds, heads]. A larger value is better.
        theirs: Values of the other arm, [seeds, heads].
    """
    found = differences(ours, theirs)
    size = np.sqrt(np.square(found).mean(0))
    scaled = np.divide(found, size, out=np.zeros_like(found), where=size > 0).mean(1)
    return signed_rank_p(scaled.round(9))


def signed_rank_p(deltas: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of differences [n].

    The p comes from the distribution of the rank sum over all choices of signs. So it is exact,
    also with ties. Zeros are treated as in Pratt (JASA 54, 1959). `scipy.stats.wilcoxon` gives the
    same p, but with ties it tries all signs one by one, which takes seconds.
    """
    from scipy import stats

    doubled = np.rint(2 * stats.rankdata(np.abs(deltas))).astype(int)  # ties have half ranks
    signs = np.sign(deltas)
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled[signs != 0]:  # half of the choices add this rank to the sum
        chances = (chances + np.concatenate([np.zeros(rank), chances[:-rank]])) / 2
    total = int(doubled[signs > 0].sum())
    least = min(chances[: total + 1].sum(), chances[total:].sum())
    return float(min(1.0, 2 * least))


def seeds_to_tell_apart(pairs: int, alpha: float) -> int:
    """Return the smallest number of seeds at which one of the pairs can differ significantly.

    The smallest p of n differences is 2 / 2^n. Holm's correction multiplies it by the number of
    pairs.

    Args:
        pairs: Number of compared pairs, 1 or more.
        alpha: The largest corrected p that is significant, above 0.
    """
    return ceil(log2(2 * pairs / alpha))


def cliques(arms: Sequence[str], apart: Collection[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the maximal sets of two or more arms in which no two differ, in the arms' order.

    There can be very many sets. The search stops when there are more sets than letters to name
    them. Source: Bron & Kerbosch, Communications of the ACM 16, 1973.

    Args:
        arms: The arms, in the order of the result.
        apart: Pairs of arms that differ significantly, in any order.
    """
    near = {
        arm: {o for o in arms if o != arm and not {(arm, o), (o, arm)} & set(apart)} for arm in arms
    }
    found: list[tuple[str, ...]] = []

    def grow(chosen: set[str], possible: set[str], done: set[str]) -> None:
        if len(found) > len(LETTERS):
            return
        if not possible and not done and len(chosen) > 1:
            found.append(tuple(sorted(chosen, key=arms.index)))
        pivot = max(possible | done, key=lambda arm: len(near[arm] & possible), default=None)
        for arm in sorted(possible - (near[pivot] if pivot else set()), key=arms.index):
            grow(chosen | {arm}, possible & near[arm], done & near[arm])
            possible, done = possible - {arm}, done | {arm}

    grow(set(), set(arms), set())
    return sorted(found, key=lambda group: [arms.index(arm) for arm in group])
