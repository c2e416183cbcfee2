"""What the differences of pairs say: interval, p, and how often the arm wins.

A pair is a training of the arm and one of the baseline with the same seed. All functions see the
differences [n] alone, and give the same answer each time they are asked.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 9_999
# Sign flips of 16 seeds; of more than that, as many random ones.
MOST_FLIPS = 2**16
# Shares of the largest value below which numbers differ by rounding only.
_ROUNDING = 1e-12
_TIE = 1e-9


def differences(arm: Floats, baseline: Floats) -> Floats:
    """Return arm - baseline, [n], with 0 for what is only rounding.

    Args:
        arm: Values by seed, [n].
        baseline: Those of the same seeds, [n].
    """
    found = arm - baseline
    scale = np.maximum(np.abs(arm), np.abs(baseline))
    return np.where(np.abs(found) <= _ROUNDING * scale, 0.0, found)


def mean_difference(deltas: Floats) -> float:
    """Return the mean of differences [n], n of at least 1, with 0 for what is only rounding."""
    mean = float(np.mean(deltas))
    return 0.0 if abs(mean) <= _ROUNDING * np.abs(deltas).max() else mean


def are_equal(deltas: Floats) -> bool:
    """Return whether all differences [n] are the same number, but for rounding."""
    return bool(np.ptp(deltas) <= _TIE * np.abs(deltas).max())


def bca_interval(deltas: Floats, level: float, seed: int) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of the mean difference.

    9,999 resamples of whole pairs. Source: Efron, JASA 1987, section 6; `scipy.stats.bootstrap`.
    Where all differences are equal the method is undefined, and the interval is that number.
    With few pairs it is too narrow, by how much is in
    docs/comparing.md#how-the-statistics-are-computed.

    Args:
        deltas: Differences, [n] with n of at least 2.
        level: Between 0 and 1.
        seed: Of the resampling.
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

    If arm and baseline did not differ, each difference would have had the other sign as likely.
    Exact up to 16 pairs, so that it is at least 2 / 2^n; with more, 65,536 random sign flips and
    the observed one are counted. Source: Fisher, The Design of Experiments, 1935, section 21;
    `scipy.stats.permutation_test`.

    Args:
        deltas: Differences, [n] with n of at least 1.
        seed: Of the random flips.
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

    Training sets of folds overlap, so the variance of the mean of n differences is more than
    s^2 / n: it is taken as (1 / n + 1 / (folds - 1)) s^2, the second term being the images tested
    over those trained on, with n - 1 degrees of freedom. Source: Nadeau & Bengio, Inference for the
    Generalization Error, Machine Learning 52, 2003, equation 9; for repeated folds Bouckaert &
    Frank, PAKDD 2004. No unbiased estimate of that variance exists (Bengio & Grandvalet, JMLR
    2004), so it is an approximation.

    Args:
        deltas: Differences, [n] with n of at least 2, not all equal.
        level: Of the interval, between 0 and 1.
        folds: At least 2.
    """
    from scipy import stats

    n, mean = len(deltas), mean_difference(deltas)
    error = float(np.std(deltas, ddof=1)) * (1 / n + 1 / (folds - 1)) ** 0.5
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    return float(2 * stats.t.sf(abs(mean) / error, n - 1)), (mean - half, mean + half)


def holm(p: Floats) -> Floats:
    """Return the p of a family of tests [m], corrected for their number.

    Holm, Scandinavian Journal of Statistics 1979: the smallest is multiplied by m, the next by
    m - 1 and so on; none may be below that of a smaller p, or above 1.
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def improvement(arm: Floats, baseline: Floats) -> float:
    """Return how often a training of the arm has more than one of the baseline, ties for half.

    Over all n x n pairs, as the seeds of two trainings that somebody else makes will differ.
    Source: Agarwal et al., NeurIPS 2021, arXiv:2108.13264, section 4.3.

    Args:
        arm: Values, [n].
        baseline: Values, [n].
    """
    signs = np.sign(arm[:, None] - baseline[None, :])
    return float((signs + 1).mean() / 2)


def _mean(deltas: Floats) -> Callable[..., Floats]:
    """Return the mean as a statistic in which equal sums are equal numbers.

    Accuracies are multiples of one over the number of images, so different signs or resamples
    often have the same sum; summed in another order it differs in the last bit.
    """
    grain = _TIE * float(np.abs(deltas).max())

    def mean(sample: Floats, axis: int) -> Floats:
        return np.asarray(np.round(np.mean(sample, axis=axis) / grain) * grain)

    return mean
