"""Simulate coverage, false positives and power of an ablation's statistics.

    python benchmarks/interval_coverage.py --repeats 1000

Differences of n seeds are drawn with standard deviation 1, normal or skewed (exponential, skewness
2), around an effect in standard deviations. For each n it prints three results:

- the share of 95% BCa intervals that cover the true mean, which does not depend on the effect;
- without an effect, the shares of intervals that exclude 0 and of tests with p <= 0.05;
- the share of verdicts of one head (an interval without 0 and p <= 0.05) by effect; false at 0.
"""

import argparse

import numpy as np

from multihead.ablation.paired import bca_interval, sign_flip_p

EFFECTS = (0.0, 0.5, 1.0, 2.0)
ALPHA = 0.05


def draw(kind: str, repeats: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return differences [repeats, n] with mean 0 and standard deviation 1."""
    if kind == "normal":
        return rng.normal(size=(repeats, n))
    return rng.exponential(size=(repeats, n)) - 1


def simulate(kind: str, n: int, repeats: int) -> dict[str, float]:
    """Return shares of the repeats by result."""
    drawn = draw(kind, repeats, n, np.random.default_rng(n))
    low, high = np.array([bca_interval(deltas, 1 - ALPHA, seed=0) for deltas in drawn]).T
    found = {"coverage": float(np.mean((low <= 0) & (high >= 0)))}
    for effect in EFFECTS:
        p = np.array([sign_flip_p(deltas + effect, seed=0) for deltas in drawn])
        # Shifting the differences shifts the interval.
        excludes = (low + effect > 0) | (high + effect < 0)
        if effect == 0:
            found["interval"] = float(np.mean(excludes))
            found["test"] = float(np.mean(p <= ALPHA))
        found[f"verdict {effect:g}"] = float(np.mean(excludes & (p <= ALPHA)))
    return found


def main() -> None:
    """Read the command line; print one Markdown table per kind of differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(3, 13)))
    arguments = parser.parse_args()
    for kind in ("normal", "skewed"):
        for n in arguments.seeds:
            found = simulate(kind, n, arguments.repeats)
            if n == arguments.seeds[0]:
                print(f"\n{kind} differences, {arguments.repeats} repeats, percent\n")
                print("| n | " + " | ".join(found) + " |")
                print("|---" * (len(found) + 1) + "|")
            shares = " | ".join(f"{100 * share:.1f}" for share in found.values())
            print(f"| {n} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
