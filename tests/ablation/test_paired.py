"""Each statistic against a computation that shares nothing with it."""

from itertools import chain, combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from multihead.ablation.paired import (
    bca_interval,
    differences,
    holm,
    improvement,
    mean_difference,
    sign_flip_p,
)

IMAGES = 10_000
# Right answers of an arm and of the baseline by seed: small numbers, so that many sums are equal.
hits = st.lists(st.tuples(st.integers(9000, 9009), st.integers(9000, 9009)), min_size=1, max_size=7)


def exact_p(differences: list[int]) -> float:
    """Return the p by all choices of signs, in whole numbers."""
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    return sum(s >= observed for s in sums) / len(sums)


@given(hits)
@settings(max_examples=60, deadline=None)
def test_p_is_that_of_all_sign_flips_counted_in_whole_numbers(
    counts: list[tuple[int, int]],
) -> None:
    """Sums of accuracies that are equal must not differ by their last bit."""
    arm, baseline = (np.array(c) / IMAGES for c in zip(*counts, strict=True))
    found = sign_flip_p(differences(arm, baseline), seed=0)
    assert found == pytest.approx(exact_p([a - b for a, b in counts]), abs=1e-12)


@pytest.mark.parametrize("n", range(2, 11))
def test_the_smallest_p_is_that_of_differences_of_one_sign(n: int) -> None:
    deltas = np.random.default_rng(n).uniform(0.1, 1, n)
    assert sign_flip_p(deltas, seed=0) == pytest.approx(2 / 2**n)
    assert sign_flip_p(-deltas, seed=0) == pytest.approx(2 / 2**n)


def test_p_of_many_seeds_is_near_that_of_a_t_test() -> None:
    deltas = np.random.default_rng(0).normal(0.4, 1, 40)
    found = sign_flip_p(deltas, seed=0)
    assert found == pytest.approx(stats.ttest_1samp(deltas, 0).pvalue, rel=0.15)


def exact_bca(deltas: np.ndarray, level: float) -> tuple[float, float]:
    """Return the interval of Efron's formula from all n^n resamples."""
    n, mean = len(deltas), deltas.mean()
    means = np.sort(deltas[np.array(list(product(range(n), repeat=n)))].mean(axis=1))
    same = np.isclose(means, mean, rtol=0, atol=1e-12)
    bias = stats.norm.ppf((means[~same] < mean).sum() / len(means) + same.mean() / 2)
    left = mean - np.array([np.delete(deltas, i).mean() for i in range(n)])
    acceleration = (left**3).sum() / (6 * (left**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("n", [5, 6])
def test_the_interval_is_that_of_all_resamples(n: int, skew: bool) -> None:
    rng = np.random.default_rng(n)
    deltas = rng.exponential(1, n) if skew else rng.normal(0.5, 1, n)
    scale = deltas.std() / np.sqrt(n)
    found = bca_interval(deltas, 0.95, seed=0)
    assert found == pytest.approx(exact_bca(deltas, 0.95), abs=0.1 * scale)


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=8, unique=True), st.integers(-50, 50))
@settings(max_examples=15, deadline=None)
def test_the_interval_follows_shift_scale_and_sign(numbers: list[int], shift: int) -> None:
    deltas = np.array(numbers, float)
    low, high = bca_interval(deltas, 0.95, seed=0)
    assert deltas.min() - 1e-6 <= low <= high <= deltas.max() + 1e-6
    moved = bca_interval(deltas * 0.001 + shift, 0.95, seed=0)
    assert moved == pytest.approx((low * 0.001 + shift, high * 0.001 + shift), abs=1e-6)
    assert bca_interval(-deltas, 0.95, seed=0) == pytest.approx((-high, -low), abs=1e-3)


def test_a_wider_level_gives_a_wider_interval() -> None:
    deltas = np.random.default_rng(3).normal(0, 1, 8)
    narrow, wide = bca_interval(deltas, 0.8, seed=0), bca_interval(deltas, 0.99, seed=0)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("value", [0.0, 0.02, -0.02])
def test_equal_differences_have_an_interval_without_width(value: float) -> None:
    """SciPy answers nan with a warning, which says less."""
    arm = np.array([0.91, 0.93, 0.95, 0.97])
    found = bca_interval(differences(arm, arm - value), 0.95, seed=0)
    assert found == pytest.approx((value, value))


def test_rounding_is_no_difference() -> None:
    assert differences(np.array([0.1 + 0.2]), np.array([0.3])).tolist() == [0.0]


def test_differences_that_cancel_have_the_mean_0() -> None:
    deltas = np.array([0.1, 0.2, -0.3])
    assert np.mean(deltas) != 0
    assert mean_difference(deltas) == 0
    assert mean_difference(deltas + 0.01) == pytest.approx(0.01)


def test_holm_of_a_known_family() -> None:
    """As `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")` of R."""
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert found.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """A head is rejected if Bonferroni rejects every set of heads that it is in."""
    places = range(len(p))
    sets = list(chain.from_iterable(combinations(places, size + 1) for size in places))
    expected = [
        max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in places
    ]
    assert holm(np.array(p)).tolist() == pytest.approx(expected)


@given(hits)
def test_improvement_is_that_of_a_double_loop(counts: list[tuple[int, int]]) -> None:
    arm, baseline = zip(*counts, strict=True)
    wins = sum((a > b) + 0.5 * (a == b) for a in arm for b in baseline)
    found = improvement(np.array(arm, float), np.array(baseline, float))
    assert found == pytest.approx(wins / len(counts) ** 2)
