"""How much the label of one head tells about that of another.

Two heads that say the same teach the network nothing twice, and a head that is a function of
another cannot show that training them together helps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.heads import Heads

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
    codes: Mapping[str, NDArray[np.integer]], heads: Heads, threshold: float = THRESHOLD
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
        codes: Labels [N] by head name.
        heads: Which of them are levels of a parameter.
        threshold: From which normalised mutual information on a pair is named.
    """
    count = len(next(iter(codes.values())))
    ranks = {name: _ranks(values) for name, values in codes.items()}
    coarse = {
        name: _binned(values, count) if heads[name].parameter is not None else values
        for name, values in ranks.items()
    }
    nmi = pd.DataFrame(np.eye(len(codes)), index=list(codes), columns=list(codes))
    functions: list[tuple[str, str]] = []
    pairs: list[tuple[str, str, float]] = []
    for a, b in combinations(codes, 2):
        value, chance = _nmi(coarse[a], coarse[b])
        nmi.loc[a, b] = nmi.loc[b, a] = value
        found = list(_functions(a, b, ranks[a], ranks[b]))
        functions += found
        if value - chance >= threshold:
            pairs.append((a, b, value))
    return Redundancy(nmi, tuple(functions), tuple(sorted(pairs, key=_strength)), threshold)


def functional_heads(codes: Mapping[str, NDArray[np.integer]]) -> dict[str, str]:
    """Return `{B: A}` for heads B whose label is determined by that of a head A.

    Only where labels without any relation would hardly ever look so: in four samples, each label
    may well occur once. Of two heads that determine each other one is named.

    Args:
        codes: Labels [N] by head name.
    """
    ranks = {name: _ranks(values) for name, values in codes.items()}
    found: dict[str, str] = {}
    for a, b in combinations(ranks, 2):
        for function, base in _functions(a, b, ranks[a], ranks[b]):
            # A head that is itself a function of B would only say the same again.
            if function not in found and found.get(base) != function:
                found[function] = base
    return found


def _strength(pair: tuple[str, str, float]) -> float:
    return -pair[2]


def _ranks(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """Replace labels [N] by their place among those that occur."""
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64)


def _binned(ranks: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    bins = int(np.clip(np.sqrt(count / 5), 2, _MOST_BINS))
    if count == 0 or ranks.max() < bins:
        return ranks
    edges = np.unique(np.quantile(ranks, np.arange(1, bins) / bins))
    return _ranks(np.searchsorted(edges, ranks))


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
