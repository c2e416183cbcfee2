"""Measure how much the label of one head tells about that of another.

If two heads have the same information, the second one teaches the network nothing new. A head that
is a function of another cannot show that training them together helps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.heads import Head, Heads

THRESHOLD = 0.5
_MOST_BINS = 16
# A function is reported only if unrelated labels would look like one with at most this probability.
_CHANCE = 1e-6


@dataclass(frozen=True)
class Redundancy:
    """The information that the labels of the heads share.

    Attributes:
        nmi: Normalised mutual information, 0 to 1, [T, T] by head name; see `redundancy`.
        functions: Pairs (B, A) of heads where B is a function of A.
        pairs: Heads A, B and their normalised mutual information, if its excess over chance is at
            least `threshold`; largest first.
        threshold: The threshold, 0 to 1.
    """

    nmi: pd.DataFrame
    functions: tuple[tuple[str, str], ...]
    pairs: tuple[tuple[str, str, float], ...]
    threshold: float


def redundancy(
    codes: Mapping[str, NDArray[Any]], heads: Heads, threshold: float = THRESHOLD
) -> Redundancy:
    """Compare every two heads.

    The normalised mutual information is `2 I(A; B) / (H(A) + H(B))`. It is normalised by the
    arithmetic mean of both entropies, like scikit-learn's `normalized_mutual_info_score`. It is 0
    for independent heads and 1 for heads that determine each other. It is 0 if a head has only one
    label.

    B is a function of A if `H(B|A) = 0`: each label of A occurs with only one label of B.

    With few samples, estimates for many levels are biased. So for the mutual information (but not
    for functions), the levels of a parameter are grouped into `sqrt(N / 5)` equally filled bins, 2
    to 16. And a pair is reported only if the excess over the value of independent heads,
    `(K_A - 1) (K_B - 1) / 2N` nats, reaches the threshold.

    Args:
        codes: Labels [N] by head name. For each pair of heads, only samples with both labels count.
        heads: The heads that the labels belong to.
        threshold: Smallest normalised mutual information of a reported pair, 0 to 1.
    """
    ranks, coarse = {}, {}
    for name, values in codes.items():
        ranks[name] = found = _ranks(heads[name], values)
        coarse[name] = _binned(found) if heads[name].has_range else found
    nmi = pd.DataFrame(np.eye(len(codes)), index=list(codes), columns=list(codes))
    functions: list[tuple[str, str]] = []
    pairs: list[tuple[str, str, float]] = []
    for a, b in combinations(codes, 2):
        value, chance = _nmi(*_in_both(coarse[a], coarse[b]))
        nmi.loc[a, b] = nmi.loc[b, a] = value
        functions += _functions(a, b, *_in_both(ranks[a], ranks[b]))
        if value - chance >= threshold:
            pairs.append((a, b, value))
    return Redundancy(nmi, tuple(functions), tuple(sorted(pairs, key=_strength)), threshold)


def functional_heads(codes: Mapping[str, NDArray[Any]], heads: Heads) -> dict[str, str]:
    """Return `{B: A}` for heads B whose label is determined by that of a head A.

    A pair is left out if unrelated labels might look the same. For example, in four samples each
    label may occur only once. If two heads determine each other, only one is named.

    Args:
        codes: Labels [N] by head name. For each pair of heads, only samples with both labels count.
        heads: The heads that the labels belong to.
    """
    ranks = {name: _ranks(heads[name], values) for name, values in codes.items()}
    found: dict[str, str] = {}
    for a, b in combinations(ranks, 2):
        for function, base in _functions(a, b, *_in_both(ranks[a], ranks[b])):
            # If A is already a function of B, the pair (B, A) adds nothing.
            if function not in found and found.get(base) != function:
                found[function] = base
    return found


def _strength(pair: tuple[str, str, float]) -> float:
    return -pair[2]


def _ranks(head: Head, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Replace labels [N, ...] by their rank among those that occur, and missing ones by -1."""
    ranks = np.full(len(labels), -1, np.int64)
    there = ~head.kind.is_missing(labels)
    ranks[there] = _places(labels[there])
    return ranks


def _places(values: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(len(values)).astype(np.int64)


def _in_both(
    a: NDArray[np.int64], b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ranks of the samples that have both labels."""
    there = (a >= 0) & (b >= 0)
    return (a, b) if there.all() else (_places(a[there]), _places(b[there]))


def _binned(ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    there = ranks >= 0
    known = ranks[there]
    bins = int(np.clip(np.sqrt(len(known) / 5), 2, _MOST_BINS))
    if not len(known) or known.max() < bins:
        return ranks
    edges = np.unique(np.quantile(known, np.arange(1, bins) / bins))
    binned = np.full_like(ranks, -1)
    binned[there] = _places(np.searchsorted(edges, known))
    return binned


def _nmi(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[float, float]:
    """Return the normalised mutual information, and its expected value for independent labels."""
    if len(a) == 0 or a.max() == 0 or b.max() == 0:
        return 0.0, 0.0
    of_a, of_b = _entropy(np.bincount(a)), _entropy(np.bincount(b))
    shared = max(of_a + of_b - _entropy(_joint(a, b)), 0.0)
    mean = (of_a + of_b) / 2
    return min(shared / mean, 1.0), int(a.max()) * int(b.max()) / (2 * len(a)) / mean


def _functions(
    a: str, b: str, of_a: NDArray[np.int64], of_b: NDArray[np.int64]
) -> Iterator[tuple[str, str]]:
    if len(of_a) == 0:
        return
    distinct = len(_joint(of_a, of_b))
    if distinct == of_a.max() + 1 and not _by_chance(of_b, distinct):
        yield b, a
    if distinct == of_b.max() + 1 and not _by_chance(of_a, distinct):
        yield a, b


def _by_chance(values: NDArray[np.int64], distinct: int) -> bool:
    """Return whether unrelated labels could look like a function of `distinct` labels by chance.

    Each sample after the first one of a label must agree with it. For unrelated labels, this has
    the probability that two samples agree. A constant always agrees, so it is never reported.
    """
    share = np.bincount(values) / len(values)
    agree = float((share**2).sum())
    return bool((len(values) - distinct) * np.log(agree) > np.log(_CHANCE))


def _joint(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the count of each pair of labels that occurs."""
    return np.asarray(np.unique(a * (int(b.max()) + 1) + b, return_counts=True)[1])


def _entropy(counts: NDArray[np.int64]) -> float:
    """Return the entropy of counts above 0, in nats."""
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())
