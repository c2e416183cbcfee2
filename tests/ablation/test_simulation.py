"""On simulated ablations the statistics err as often as they say."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from multihead.ablation.paired import bca_interval, sign_flip_p
from multihead.ablation.power import seeds_needed
from multihead.ablation.statistics import compare

pytestmark = pytest.mark.slow
REPEATS = 1000


def within_chance(hits: int, repeats: int, share: float) -> bool:
    """Whether so many hits are not surprising (one in a thousand) if they have this share."""
    return bool(stats.binomtest(hits, repeats, share).pvalue > 0.001)


@pytest.mark.parametrize("n", [5, 6, 8, 10])
def test_the_test_errs_as_often_as_its_exact_level(n: int) -> None:
    """The level is the largest multiple of 2 / 2^n that is at most 0.05."""
    rng = np.random.default_rng(n)
    errors = sum(sign_flip_p(rng.normal(size=n), seed=0) <= 0.05 for _ in range(REPEATS))
    level = int(0.05 * 2 ** (n - 1)) / 2 ** (n - 1)
    assert within_chance(errors, REPEATS, level) if level else errors == 0


@pytest.mark.parametrize(("n", "coverage"), [(5, 0.82), (8, 0.88), (12, 0.905)])
def test_the_interval_covers_less_than_its_level_and_as_much_as_documented(
    n: int, coverage: float
) -> None:
    rng = np.random.default_rng(n)
    drawn = rng.normal(1.0, 1.0, (REPEATS, n))
    intervals = np.array([bca_interval(deltas, 0.95, seed=0) for deltas in drawn])
    covered = np.mean((intervals[:, 0] <= 1) & (intervals[:, 1] >= 1))
    assert covered == pytest.approx(coverage, abs=0.04)
    assert covered < 0.95


def test_of_ablations_without_effect_at_most_one_in_twenty_finds_one(values: Callable) -> None:
    """Three heads that move together, eight seeds: any verdict on any head is an error."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        of = {}
        for arm in ("single", "both"):
            shared = rng.normal(size=8)
            for head in ("digit", "thickness", "slant"):
                of[arm, head, "acc"] = 0.9 + 0.01 * (shared + rng.normal(size=8))
        table = compare(values(of), "single", lower_is_better=()).table
        heads = table[table["head"] != "mean"]
        found += (heads["verdict"] != "inconclusive").any()
    assert stats.binomtest(found, 200, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("effect", [0.8, 1.2])
def test_the_seeds_needed_show_the_effect_in_about_four_of_five_ablations(effect: float) -> None:
    """The sign-flip test has hardly less power than the t test that the number is made for."""
    n = seeds_needed(effect, 1.0, 0.05)
    assert n is not None
    rng = np.random.default_rng(0)
    seen = sum(sign_flip_p(rng.normal(effect, 1, n), seed=0) <= 0.05 for _ in range(400))
    assert 0.70 <= seen / 400 <= 0.88
