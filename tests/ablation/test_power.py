"""How many seeds a difference needs."""

import numpy as np
import pytest
from scipy import stats

from multihead.ablation.power import MOST_SEEDS, seeds_needed, smallest_p, t_power


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_small_medium_and_large_effects_need_the_published_numbers(effect: float, n: int) -> None:
    """G*Power 3.1, matched pairs, two-sided 0.05, power 0.8."""
    assert seeds_needed(effect, 1.0, 0.05) == n
    assert seeds_needed(-effect, 1.0, 0.05) == n


@pytest.mark.parametrize(("n", "effect"), [(3, 0.5), (6, 1.0), (12, 2.0), (34, 0.5), (8, 50.0)])
def test_power_is_that_of_the_t_test_averaged_over_the_spread(n: int, effect: float) -> None:
    """Given the sample's spread, the mean is normal; the spread is that of a chi-square."""
    shares = (np.arange(100_000) + 0.5) / 100_000
    spread = np.sqrt(stats.chi2.ppf(shares, n - 1) / (n - 1))
    beyond, shift = stats.t.isf(0.025, n - 1), effect * np.sqrt(n)
    expected = stats.norm.sf(beyond * spread - shift) + stats.norm.cdf(-beyond * spread - shift)
    assert t_power(n, effect, 0.05) == pytest.approx(expected.mean(), abs=1e-4)


@pytest.mark.parametrize("tests", [1, 3, 6])
def test_a_sure_difference_needs_what_the_sign_flips_need(tests: int) -> None:
    alpha = 0.05 / tests
    needed = seeds_needed(1.0, 0.0, alpha)
    assert needed is not None
    assert smallest_p(needed) <= alpha < smallest_p(needed - 1)
    assert seeds_needed(1.0, 1e-3, alpha) == needed


def test_eight_seeds_survive_six_heads_and_five_seeds_none() -> None:
    assert 6 * smallest_p(8) <= 0.05 < 7 * smallest_p(8)
    assert smallest_p(6) <= 0.05 < smallest_p(5)


def test_no_difference_and_too_small_a_one_have_no_number() -> None:
    assert seeds_needed(0.0, 1.0, 0.05) is None
    assert seeds_needed(0.05, 1.0, 0.05) is None
    assert seeds_needed(0.1, 1.0, 0.05) in range(700, MOST_SEEDS)
