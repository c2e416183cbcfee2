"""How much the label of one head tells about that of another.

Two heads that say the same teach the network nothing twice, and a head that is a function of
another cannot show that training them together helps.
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
# A function is named only if labels without any relation would look like one this rarely.
_CHANCE = 1e-6


@dataclass(frozen=True)
class Redundancy:
    """What the labels of the heads have in common.

    Attributes:
        nmi: Normalised mutual information, [T, T] by head name: see `redundancy`.
        functions: Pairs (B, A) of heads where B is a function of A.
        pairs: Heads A, B and their normalised mutual information where it is at least
            `threshold`, the largest first.
        threshold: From 0 to 1.
    """

    nmi: pd.DataFrame
    functions: tuple[tuple[str, str], ...]
    pairs: tuple[tuple[str, str, float], ...]
    threshold: float


def redundancy(
    codes: Mapping[str, NDArray[Any]], heads: Heads, threshold: float = THRESHOLD
) -> Redundancy:
    """Compare every two heads.

    The normalised mutual information is `2 I(A; B) / (H(A) + H(B))`: the arithmetic mean of both
    entropies is the norm, as in scikit-learn's `normalized_mutual_info_score`. It is 0 for
    independent heads and 1 for heads that determine each other; a head with one label has 0.
    B is a function of A if `H(B|A) = 0`: each label of A occurs with one label of B only.

    Entropies of many levels are too large on few samples, so the levels of a parameter are
    gathered into `sqrt(N / 5)` equally filled bins, 2 to 16, for the mutual information (not
    for functions), and a pair is named only where the excess over what independent heads would
    show, `(K_A - 1) (K_B - 1) / 2N` nats, reaches the threshold.

    Args:
        codes: Labels [N] by head name. Of each pair of heads, samples with both labels count.
        heads: What the labels are.
        threshold: From which normalised mutual information on a pair is named.
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

    Only where labels without any relation would hardly ever look so: in four samples, each label
    may well occur once. Of two heads that determine each other one is named.

    Args:
        codes: Labels [N] by head name. Of each pair of heads, samples with both labels count.
        heads: What the labels are.
    """
    ranks = {name: _ranks(heads[name], values) for name, values in codes.items()}
    found: dict[str, str] = {}
    for a, b in combinations(ranks, 2):
        for function, base in _functions(a, b, *_in_both(ranks[a], ranks[b])):
            # A head that is itself a function of B would only say the same again.
            if function not in found and found.get(base) != function:
                found[function] = base
    return found


def _strength(pair: tuple[str, str, float]) -> float:
    return -pair[2]


def _ranks(head: Head, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Replace labels [N, ...] by their place among those that occur, and missing ones by -1."""
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
    """Return the normalised mutual information, and what independent labels would show of it."""
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
    """Whether labels without any relation could look like a function of `distinct` labels.

    Each sample beyond the first of a label would have to agree with it, which happens as often
    as two samples agree. A constant always agrees: it is a function of everything and of nothing.
    """
    share = np.bincount(values) / len(values)
    agree = float((share**2).sum())
    return bool((len(values) - distinct) * np.log(agree) > np.log(_CHANCE))


def _joint(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each pair of labels occurs, of those that do."""
    return np.asarray(np.unique(a * (int(b.max()) + 1) + b, return_counts=True)[1])


def _entropy(counts: NDArray[np.int64]) -> float:
    """Return the entropy of counts above 0, in nats."""
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())
