"""How well affinity predicted gain, as numbers and as sentences."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multihead.ablation.affinity import Affinity
from multihead.ablation.paired import RESAMPLES, Floats

_FEWEST = 4  # pairs that a rank correlation needs
_FEW = 30
_MOST_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Agreement:
    """The rank correlation of affinity and gain over ordered pairs of heads.

    Attributes:
        rho: Spearman's correlation; nan with fewer than four pairs, or if all affinities or all
            gains are equal.
        low: Lower end of the bootstrap interval.
        high: Upper end of the bootstrap interval.
        pairs: Number of pairs with both values.
        chance: The smallest correlation that would differ from 0 at 1 - level if the pairs were
            independent.
    """

    rho: float
    low: float
    high: float
    pairs: int
    chance: float


def agreement(pairs: pd.DataFrame, level: float, seed: int = 0) -> Agreement:
    """Compare the columns affinity and gain of `affinity.PAIRS`.

    The interval is the percentile bootstrap over ordered pairs with 9,999 resamples. It is too
    narrow, because pairs share heads and are therefore not independent.

    Args:
        pairs: Table with the columns `affinity.PAIRS`.
        level: Confidence level of the interval, between 0 and 1.
        seed: Seed of the resampling.
    """
    both = pairs[["affinity", "gain"]].astype(np.float64).dropna().to_numpy()
    count = len(both)
    if count < _FEWEST:
        return Agreement(math.nan, math.nan, math.nan, count, math.nan)
    from scipy import stats

    rng, at_once = np.random.default_rng(seed), max(1, _MOST_AT_ONCE // count)
    sizes = [min(at_once, RESAMPLES - done) for done in range(0, RESAMPLES, at_once)]
    resampled = np.concatenate([_spearman(both[rng.integers(0, count, (n, count))]) for n in sizes])
    low, high = np.nan, np.nan
    if np.isfinite(resampled).any():
        low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    t = float(stats.t.isf((1 - level) / 2, count - 2))
    chance = t / math.sqrt(count - 2 + t * t)
    return Agreement(float(_spearman(both[None])[0]), float(low), float(high), count, chance)


def _spearman(samples: Floats) -> Floats:
    """Return the rank correlation of each sample, [R], of samples [R, n, 2]; nan if undefined."""
    from scipy import stats

    ranks = stats.rankdata(samples, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    products = (ranks[..., 0] * ranks[..., 1]).sum(axis=1)
    sizes = np.sqrt((ranks**2).sum(axis=1)).prod(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sizes > 0, products / sizes, np.nan)


def sentences(found: Affinity, level: float) -> Iterator[str]:
    """Yield sentences about the affinities and how well they predicted gain."""
    yield _of_agreement(agreement(found.pairs, level), level)
    table = found.groupings
    known = table[(table["chosen"] != "") & table["affinity"].notna()]
    if not known.empty:
        row = known.loc[known["affinity"].idxmax()]
        yield f"Affinity would choose the grouping {row['chosen']}. {_measured(row, table)}"
    if (found.pairs["affinity"] < -1).any():
        yield (
            "An affinity below -1 means that a step more than doubled a loss. A few batches with "
            "a loss of almost 0 determine such a mean, so do not trust it."
        )


def _of_agreement(found: Agreement, level: float) -> str:
    if not math.isfinite(found.rho):
        return (
            f"There are too few pairs to tell if affinity predicted gain: {found.pairs} ordered "
            f"pairs of heads have both values, {_FEWEST} or more different ones are needed."
        )
    said = (
        f"Spearman's correlation of affinity and measured gain is {found.rho:.2f} over "
        f"{found.pairs} ordered pairs, {100 * level:g}% interval {found.low:.2f} to "
        f"{found.high:.2f}."
    )
    if found.low > 0:
        said += " Here more affinity came with more gain."
    elif found.high < 0:
        said += " Here more affinity came with less gain, so it predicted gain wrongly."
    else:
        said += " The interval contains 0, so it is open whether affinity predicted gain here."
    if found.pairs < _FEW:
        said += (
            f" {found.pairs} pairs are few: even if they were independent, chance could explain a "
            f"correlation below {found.chance:.2f}."
        )
    return f"{said} Pairs share heads, so the interval is too narrow."


def _measured(row: pd.Series, table: pd.DataFrame) -> str:
    """Return sentences about the gain of the chosen grouping, and about the best measured one."""
    if row["needs"]:
        said = f"It was not measured; this would need these arms: {row['needs']}."
    elif not math.isfinite(row["gain"]):
        said = "It has no gain: trainings are missing, or a metric of a head alone is not above 0."
    elif row["networks"] == len(table):
        said = "It trains each head alone, so its gain is 0 by definition."
    else:
        said = f"It measured a mean gain of {row['gain']:+.1f}% over each head alone"
        said += (
            f", interval {row['gain_low']:+.1f} to {row['gain_high']:+.1f}."
            if math.isfinite(row["gain_low"])
            else "."
        )
    measured = table[table["best_gain"].notna()]
    if measured.empty:
        return said
    best = measured.loc[measured["best_gain"].idxmax()]
    counts = f"{table['measured'].sum()} of {table['possible'].sum()} groupings measured"
    return (
        f"{said} The best of the {counts} is {best['best_measured']} with "
        f"{best['best_gain']:+.1f}%, but the same test results selected it and measured its gain."
    )
