"""Rank arms over seeds, and find the arms that differ significantly.

A block is a seed. The ranks of its heads are averaged first, because heads of one training are not
independent. Friedman's test checks whether the arms differ at all. Only if they do, every two arms
are compared. docs/comparing.md#how-the-statistics-are-computed has the formulas.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd

from multihead.ablation.paired import Floats, holm
from multihead.ablation.pairs import judging_values, over_folds
from multihead.ablation.rank_tests import (
    LETTERS,
    cliques,
    friedman_p,
    paired_p,
    seeds_to_tell_apart,
)

FEWEST_SEEDS = 6
MOST_ARMS = 40
TABLE = ("arm", "rank", "seeds", "groups")
PAIRS = ("arm", "other", "rank_difference", "p", "p_holm")


@dataclass(frozen=True)
class Ranking:
    """How the arms that have all heads rank.

    Attributes:
        table: Columns `TABLE`, the best arm first. `groups` holds the letters of the arm's groups.
        pairs: Columns `PAIRS`, a row for every two arms. Empty if there are too few seeds.
        groups: Maximal sets of arms in which no two arms differ significantly, best first. Empty
            if there are too few seeds.
        seeds: The number of blocks.
        p: The p-value of Friedman's test; NaN if the test was not made.
        sentence: The conclusion, as one sentence.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    groups: tuple[tuple[str, ...], ...]
    seeds: int
    p: float
    sentence: str


def ranking(
    values: pd.DataFrame,
    lower_is_better: Collection[str],
    *,
    level: float = 0.95,
    arms: Sequence[str] = (),
) -> Ranking | None:
    """Rank the arms over the seeds that all of them have.

    Source: Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006.
    Pairs are compared by Wilcoxon's test with Holm's correction. Mean ranks are not used for this,
    because they depend on the other arms: Benavoli, Corani & Mangili, JMLR 17, 2016.

    Args:
        values: Values of one split: arm, seed, head, metric, value. A head is judged by its first
            metric.
        lower_is_better: Metrics of which a lower value is better.
        level: Confidence level between 0 and 1. A difference is significant if its p-value is at
            most `1 - level`.
        arms: All arms. The sentence names those that have no value.

    Returns:
        The ranking, or None for fewer than three arms with all heads and a common seed. Two arms
        are compared head by head instead.
    """
    cube, left_out = goodness(values, lower_is_better)
    if cube is None:
        return None
    left_out += [arm for arm in arms if arm not in set(values["arm"])]
    arms, found = list(cube.columns.unique("arm")), _blocks(cube)
    lacking = f" Not ranked, for lack of heads or seeds: {', '.join(left_out)}." if left_out else ""
    over = f"ranks averaged over {found.shape[2]} heads within a seed"
    folds = "folds are not independent, which the test takes them for"
    why_not = folds if over_folds(values) else ""
    made = ranked(found, arms, 1 - level, blocks="seeds", over=over, why_not=why_not)
    return replace(made, sentence=made.sentence + lacking)


def ranked(
    found: Floats,
    arms: Sequence[str],
    alpha: float,
    *,
    blocks: str,
    over: str = "",
    why_not: str = "",
) -> Ranking:
    """Rank arms over blocks that are independent of each other.

    Args:
        found: Values, [blocks, arms, heads]. A larger value is better.
        arms: Names of the arms, three or more.
        alpha: Significance level between 0 and 1.
        blocks: The name of the blocks in the plural: seeds, data sets.
        over: An addition to the sentence about the ranks.
        why_not: The reason why no groups are formed, whatever the values are; empty if there is
            none.
    """
    by_head = np.stack([_ranks(found[:, :, head]) for head in range(found.shape[2])])
    ranks = by_head.mean(0).round(9)  # so that equal sums compare as equal
    means = pd.Series(ranks.mean(0), index=list(arms)).sort_values(kind="stable")
    p = friedman_p(ranks)
    why_not = why_not or _why_not(found.shape, p, alpha, blocks)
    pairs = pd.DataFrame(columns=list(PAIRS))
    groups: list[tuple[str, ...]] = []
    if not why_not:
        pairs = _compared(found, ranks, arms, list(means.index))
        told = pairs[pairs["p_holm"] <= alpha]
        groups = cliques(list(means.index), set(zip(told["arm"], told["other"], strict=True)))
        groups = groups if len(groups) <= len(LETTERS) else []
    table = pd.DataFrame(
        {
            "arm": means.index,
            "rank": means.to_numpy(),
            "seeds": len(found),
            "groups": [_letters(arm, groups) for arm in means.index],
        },
        columns=list(TABLE),
    )
    said = f"inconclusive: {why_not}" if why_not else _said(means.index[0], pairs, p, alpha)
    of_what = f"{len(arms)} arms over {len(found)} {blocks}" + f", {over}" * bool(over)
    return Ranking(table, pairs, tuple(groups), len(found), p, f"{said} ({of_what}).")


def goodness(
    values: pd.DataFrame, lower_is_better: Collection[str]
) -> tuple[pd.DataFrame | None, list[str]]:
    """Return values for which larger is better, and the arms that are left out.

    An arm is left out if it lacks a head. It is also left out if it has too few seeds while other
    arms have enough. Otherwise its missing seeds would be lost for all arms.

    Returns:
        Two values. First, a table with a row per seed that all arms have and columns (arm, head),
        or None for fewer than three arms. Second, the names of the arms that are left out.
    """
    rows = judging_values(values)
    sign = np.where(rows["metric"].isin(lower_is_better), -1.0, 1.0)
    wide = rows.assign(value=sign * rows["value"]).pivot(
        index="seed", columns=["arm", "head"], values="value"
    )
    everyone, heads = list(dict.fromkeys(values["arm"])), list(rows["head"].unique())
    seeds = {
        arm: int(wide[arm].reindex(columns=heads).notna().all(axis=1).sum())
        for arm in everyone
        if arm in wide.columns.unique("arm")
    }
    enough = min(FEWEST_SEEDS, max(seeds.values(), default=0))
    arms = [arm for arm, count in seeds.items() if count >= max(enough, 1)]
    left_out = [arm for arm in everyone if arm not in arms]
    if len(arms) < 3:
        return None, left_out
    columns = pd.MultiIndex.from_product([arms, heads], names=["arm", "head"])
    whole = wide.reindex(columns=columns).dropna()
    return (None if whole.empty else whole), left_out


def _blocks(cube: pd.DataFrame) -> Floats:
    arms, heads = cube.columns.unique("arm"), cube.columns.unique("head")
    blocks: Floats = cube.to_numpy(np.float64).reshape(len(cube), len(arms), len(heads))
    return blocks


def _ranks(scores: Floats) -> Floats:
    """Return the ranks in each row, [blocks, arms]. The largest has rank 1; ties share a rank."""
    from scipy import stats

    ranks: Floats = stats.rankdata(-scores, axis=1)
    return ranks


def _compared(
    found: Floats, ranks: Floats, arms: Sequence[str], order: Sequence[str]
) -> pd.DataFrame:
    place = {arm: arms.index(arm) for arm in order}
    rows = [
        (
            *(a, b),
            float(ranks[:, place[b]].mean() - ranks[:, place[a]].mean()),
            paired_p(found[:, place[a]], found[:, place[b]]),
        )
        for a, b in combinations(order, 2)
    ]
    table = pd.DataFrame(rows, columns=list(PAIRS[:-1]))
    return table.assign(p_holm=holm(table["p"].to_numpy(np.float64)))


def _why_not(shape: tuple[int, ...], p: float, alpha: float, blocks: str) -> str:
    """Return the reason why no groups are formed; empty if there is none.

    Args:
        shape: Numbers of blocks, arms and heads.
        p: The p-value of Friedman's test.
        alpha: Significance level.
        blocks: The name of the blocks in the plural.
    """
    count, arms, _ = shape
    if count < FEWEST_SEEDS:
        return f"{count} {blocks} that all arms have are fewer than the {FEWEST_SEEDS} it takes"
    if p >= alpha:
        return f"Friedman's test does not tell the arms apart (p = {p:.2g})"
    if arms > MOST_ARMS:
        return f"{arms} arms are more than the {MOST_ARMS} of which every two are compared"
    needed = seeds_to_tell_apart(comb(arms, 2), alpha)
    if count < needed:
        return (
            f"the arms differ (Friedman p = {p:.2g}), but {count} {blocks} can tell no two of "
            f"{arms} arms apart, after Holm's correction; {needed} can"
        )
    return ""


def _letters(arm: str, groups: Sequence[tuple[str, ...]]) -> str:
    return "".join(LETTERS[i] for i, group in enumerate(groups) if arm in group)


def _said(first: str, pairs: pd.DataFrame, p: float, alpha: float) -> str:
    own = pairs[(pairs["arm"] == first) & (pairs["p_holm"] <= alpha)]
    told = ", ".join(own["other"])
    known = (
        f"{first} ranks first and is told apart from {told}"
        if told
        else f"{first} ranks first, but is told apart from no other arm"
    )
    return f"{known}; Friedman p = {p:.2g}"
