"""How well affinity predicted gain, in figures and in words."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multihead.ablation.affinity import Affinity
from multihead.ablation.paired import RESAMPLES, Floats

_FEWEST = 4  # pairs of which a rank correlation says anything
_FEW = 30
_MOST_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Agreement:
    """The rank correlation of affinity and gain over ordered pairs of heads.

    Attributes:
        rho: Spearman's; nan with fewer than four pairs, or where all of one side are equal.
        low: Of the bootstrap interval.
        high: Of the bootstrap interval.
        pairs: How many have both.
        chance: What a correlation must exceed to differ from none at 1 - level, if the pairs were
            independent.
    """

    rho: float
    low: float
    high: float
    pairs: int
    chance: float


def agreement(pairs: pd.DataFrame, level: float, seed: int = 0) -> Agreement:
    """Compare the columns affinity and gain of `affinity.PAIRS`.

    The interval is the percentile bootstrap over ordered pairs, 9,999 resamples. Pairs share heads,
    so they are not independent, and it is too narrow.

    Args:
        pairs: As `affinity.PAIRS` says.
        level: Of the interval, between 0 and 1.
        seed: Of the resampling.
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
    """Yield what affinity said and what came of it."""
    yield _of_agreement(agreement(found.pairs, level), level)
    table = found.groupings
    known = table[(table["chosen"] != "") & table["affinity"].notna()]
    if not known.empty:
        row = known.loc[known["affinity"].idxmax()]
        yield f"Of all groupings affinity would choose {row['chosen']}. {_measured(row, table)}"
    if (found.pairs["affinity"] < -1).any():
        yield (
            "An affinity below -1 means that a step more than doubled a loss. A few batches in "
            "which that loss is almost 0 decide such a mean, so do not trust it."
        )


def _of_agreement(found: Agreement, level: float) -> str:
    if not math.isfinite(found.rho):
        return (
            f"There is too little to say whether affinity predicted gain: {found.pairs} ordered "
            f"pairs of heads have both, {_FEWEST} or more that differ are needed."
        )
    said = (
        f"Spearman's correlation of affinity and measured gain is {found.rho:.2f} over "
        f"{found.pairs} ordered pairs, {100 * level:g}% interval {found.low:.2f} to "
        f"{found.high:.2f}."
    )
    if found.low > 0:
        said += " Here more affinity went with more gain."
    elif found.high < 0:
        said += " Here more affinity went with less gain: it would have misled."
    else:
        said += " The interval contains 0, so whether affinity predicted gain here is open."
    if found.pairs < _FEW:
        said += (
            f" {found.pairs} pairs are few: even if they were independent, a correlation below "
            f"{found.chance:.2f} could be chance."
        )
    return f"{said} Pairs share heads, so the interval is too narrow."


def _measured(row: pd.Series, table: pd.DataFrame) -> str:
    """Return what the chosen grouping came to, and the best one that was measured."""
    if row["needs"]:
        said = f"It was not measured; that would need these arms: {row['needs']}."
    elif not math.isfinite(row["gain"]):
        said = "It was not measured: trainings are missing, or alone a metric is not above 0."
    elif row["networks"] == len(table):
        said = "That is each head alone, so its gain is 0 by definition."
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
        f"{best['best_gain']:+.1f}%, picked by the test results that it is judged by."
    )
