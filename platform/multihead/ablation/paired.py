"""Statistics of paired differences: intervals, p-values, and how often the arm wins.

A pair is a training of the arm and one of the baseline with the same seed. Most functions only use
the differences [n]. All of them are deterministic.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 9_999
# All sign flips of 16 seeds. With more seeds, this number of random sign flips is used.
MOST_FLIPS = 2**16
# Relative to the largest value. Smaller differences are rounding errors.
_ROUNDING = 1e-12
_TIE = 1e-9


def differences(arm: Floats, baseline: Floats) -> Floats:
    """Return arm - baseline, [n], with 0 instead of rounding errors.

    Args:
        arm: Values by seed, [n].
        baseline: Values of the baseline for the same seeds, [n].
    """
    found = arm - baseline
    scale = np.maximum(np.abs(arm), np.abs(baseline))
    return np.where(np.abs(found) <= _ROUNDING * scale, 0.0, found)


def mean_difference(deltas: Floats) -> float:
    """Return the mean of differences [n], n >= 1, with 0 instead of a rounding error."""
    mean = float(np.mean(deltas))
    return 0.0 if abs(mean) <= _ROUNDING * np.abs(deltas).max() else mean


def are_equal(deltas: Floats) -> bool:
    """Return whether all differences [n] are the same number, apart from rounding."""
    return bool(np.ptp(deltas) <= _TIE * np.abs(deltas).max())


def bca_interval(deltas: Floats, level: float, seed: int) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of the mean difference.

    It uses 9,999 resamples of whole pairs. If all differences are equal, the method is undefined,
    and both ends of the interval are this number. With few pairs the interval is too narrow;
    docs/comparing.md#how-the-statistics-are-computed shows by how much.
    Source: Efron, JASA 1987, section 6; `scipy.stats.bootstrap`.

    Args:
        deltas: Differences, [n] with n >= 2.
        level: Confidence level between 0 and 1.
        seed: Seed of the resampling.
    """
    from scipy import stats

    if are_equal(deltas):
        return float(deltas[0]), float(deltas[0])
    found = stats.bootstrap(
        (deltas,),
        _mean(deltas),
        confidence_level=level,
        n_resamples=RESAMPLES,
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def sign_flip_p(deltas: Floats, seed: int) -> float:
    """Return the two-sided p of the mean difference among all 2^n choices of signs.

    If arm and baseline do not differ, both signs of a difference are equally likely. The p is exact
    up to 16 pairs, so it is at least 2 / 2^n. With more pairs, 65,536 random sign flips and the
    observed signs are counted. Source: Fisher, The Design of Experiments, 1935, section 21;
    `scipy.stats.permutation_test`.

    Args:
        deltas: Differences, [n] with n >= 1.
        seed: Seed of the random sign flips.
    """
    from scipy import stats

    if len(deltas) == 1 or not deltas.any():
        return 1.0
    found = stats.permutation_test(
        (deltas,),
        _mean(deltas),
        permutation_type="samples",
        n_resamples=MOST_FLIPS,
        vectorized=True,
        axis=-1,
        batch=2**12,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def corrected_t(deltas: Floats, level: float, folds: int) -> tuple[float, tuple[float, float]]:
    """Return the two-sided p and the interval of the mean difference over folds.

    Training sets of folds overlap, so the variance of the mean of n differences is larger than
    s^2 / n. The test uses (1 / n + 1 / (folds - 1)) s^2 and n - 1 degrees of freedom. The second
    term is the number of tested images divided by the number of training images. Source: Nadeau &
    Bengio, Inference for the Generalization Error, Machine Learning 52, 2003, equation 9; for
    repeated folds Bouckaert & Frank, PAKDD 2004. The result is an approximation, because no
    unbiased estimate of this variance exists (Bengio & Grandvalet, JMLR 2004).

    Args:
        deltas: Differences, [n] with n >= 2, not all equal.
        level: Confidence level of the interval, between 0 and 1.
        folds: Number of folds, at least 2.
    """
    from scipy import stats

    n, mean = len(deltas), mean_difference(deltas)
    error = float(np.std(deltas, ddof=1)) * (1 / n + 1 / (folds - 1)) ** 0.5
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    return float(2 * stats.t.sf(abs(mean) / error, n - 1)), (mean - half, mean + half)


def holm(p: Floats) -> Floats:
    """Return the p-values of a family of tests, [m], corrected for the number of tests.

    The smallest p is multiplied by m, the next one by m - 1 and so on. A corrected p is never below
    that of a smaller p, and never above 1. Source: Holm, Scandinavian Journal of Statistics 1979.
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def improvement(arm: Floats, baseline: Floats) -> float:
    """Return the share of pairs in which the arm has the larger value; ties count as half.

    All n x n pairs of a training of the arm and one of the baseline count, because new trainings
    would have different seeds.
    Source: Agarwal et al., NeurIPS 2021, arXiv:2108.13264, section 4.3.

    Args:
        arm: Values, [n].
        baseline: Values, [n].
    """
    signs = np.sign(arm[:, None] - baseline[None, :])
    return float((signs + 1).mean() / 2)


def _mean(deltas: Floats) -> Callable[..., Floats]:
    """Return a mean function for which equal sums give exactly equal numbers.

    Accuracies are multiples of one over the number of images, so different signs or resamples
    often have the same sum. Without rounding, another order of the summands changes the last bit.
    """
    grain = _TIE * float(np.abs(deltas).max())

    def mean(sample: Floats, axis: int) -> Floats:
        return np.asarray(np.round(np.mean(sample, axis=axis) / grain) * grain)

    return mean
