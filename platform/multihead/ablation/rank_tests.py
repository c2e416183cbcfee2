"""Tests of arms over seeds, and the groups of arms that they do not tell apart."""

from collections.abc import Collection, Sequence
from math import ceil, log2

import numpy as np

from multihead.ablation.paired import Floats, differences

LETTERS = "abcdefghijklmnopqrstuvwxyz"  # that name groups
_TIE = 1e-9


def friedman_p(scores: Floats) -> float:
    """Return the p of Friedman's test of scores [blocks, arms]; 1 where all are equal."""
    from scipy import stats

    if (np.ptp(scores, axis=1) <= _TIE).all():
        return 1.0
    return float(stats.friedmanchisquare(*scores.T).pvalue)


def paired_p(ours: Floats, theirs: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of two arms over seeds.

    Heads have units of their own, so the differences of a head are divided by their root mean
    square over the seeds, and averaged over the heads. No other arm has a say in it.

    Args:
        ours: Values that are better where they are larger, [seeds, heads].
        theirs: Those of the other arm.
    """
    found = differences(ours, theirs)
    size = np.sqrt(np.square(found).mean(0))
    scaled = np.divide(found, size, out=np.zeros_like(found), where=size > 0).mean(1)
    return signed_rank_p(scaled.round(9))


def signed_rank_p(deltas: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of differences [n].

    Exact also with ties, and with zeros as of Pratt (JASA 54, 1959): by the distribution of the
    rank sum over all choices of signs. `scipy.stats.wilcoxon` gives the same p, but with ties only
    by trying all signs one by one, which takes seconds.
    """
    from scipy import stats

    doubled = np.rint(2 * stats.rankdata(np.abs(deltas))).astype(int)  # ties share: halves
    signs = np.sign(deltas)
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled[signs != 0]:  # half of the choices add it to the sum
        chances = (chances + np.concatenate([np.zeros(rank), chances[:-rank]])) / 2
    total = int(doubled[signs > 0].sum())
    least = min(chances[: total + 1].sum(), chances[total:].sum())
    return float(min(1.0, 2 * least))


def seeds_to_tell_apart(pairs: int, alpha: float) -> int:
    """Return how many seeds it takes before one of so many pairs can be told apart.

    The smallest p of n differences is 2 / 2^n, which Holm's correction multiplies by the pairs.

    Args:
        pairs: That are compared, 1 or more.
        alpha: What the corrected p may be at most, above 0.
    """
    return ceil(log2(2 * pairs / alpha))


def cliques(arms: Sequence[str], apart: Collection[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the maximal sets of two or more arms of which no two are apart, in the arms' order.

    There can be very many; no more are looked for when they are more than the letters that name
    them. Source: Bron & Kerbosch, Communications of the ACM 16, 1973.

    Args:
        arms: In the order in which they shall stand.
        apart: Pairs that can be told apart, either way round.
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
