"""Estimate the number of seeds that can show a difference of a given size."""

import math
from bisect import bisect_left

POWER = 0.8
MOST_SEEDS = 1000


def smallest_p(n: int) -> float:
    """Return the smallest p that the exact two-sided sign-flip test can give with n pairs."""
    return min(1.0, 0.5 ** (n - 1))


def seeds_needed(delta: float, sd: float, alpha: float) -> int | None:
    """Return the number of pairs that would show a difference in four of five ablations.

    This is the smallest n with two properties. A two-sided paired t test at `alpha` has a power of
    0.8, if the true differences have this mean and standard deviation (noncentral t; Cohen,
    Statistical Power Analysis, 1988, section 2.3). And the sign-flip test can reach `alpha`. The
    result is only an order of magnitude, because few seeds estimate `delta / sd` badly.

    Args:
        delta: Mean of the differences.
        sd: Standard deviation of the differences.
        alpha: The largest significant p of one test of the family, such as 0.05 / 3 for three
            heads.

    Returns:
        The number, or None if the difference is 0 or `MOST_SEEDS` are too few.
    """
    if delta == 0:
        return None
    least = math.ceil(1 + math.log2(1 / alpha))
    if sd == 0:
        return least
    candidates = range(least, MOST_SEEDS + 1)
    place = bisect_left(candidates, POWER, key=lambda n: t_power(n, abs(delta) / sd, alpha))
    return candidates[place] if place < len(candidates) else None


def t_power(n: int, effect: float, alpha: float) -> float:
    """Return the power of a two-sided paired t test.

    Args:
        n: Number of pairs, at least 2.
        effect: Mean of the differences divided by their standard deviation, above 0.
        alpha: Significance level of the test.
    """
    from scipy import stats

    beyond = stats.t.isf(alpha / 2, n - 1)
    shift = effect * math.sqrt(n)
    # For a large shift, SciPy's noncentral t gives nan; the power is 1.
    if shift > beyond + 30:
        return 1.0
    return float(stats.nct.sf(beyond, n - 1, shift) + stats.nct.cdf(-beyond, n - 1, shift))
