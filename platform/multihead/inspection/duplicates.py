"""Find images that occur twice, within a split or in two splits, by their content.

An image's fingerprint is the 16-byte BLAKE2b hash of its bytes. Only the fingerprints are kept, and
equal ones are found by sorting. So a file of any size can be searched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.heads import Heads

_BYTES = 16
_EXAMPLES = 5

Codes = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Duplicates:
    """Images of one split that another split, or the same one, already has.

    Attributes:
        first: The split that has them first.
        second: The split that has them again. It may be the same split.
        count: Number of samples of `second` that are copies.
        conflicting: Number of these copies with a different label in some head. Missing labels do
            not count as different.
        examples: A few pairs of sample numbers, in `first` and in `second`.
    """

    first: str
    second: str
    count: int
    conflicting: int
    examples: tuple[tuple[int, int], ...]


def fingerprints(images: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return a fingerprint [n] of 16 bytes for each of the images uint8 [n, C, H, W]."""
    rows = np.ascontiguousarray(images).reshape(len(images), int(np.prod(images.shape[1:])))
    digests = b"".join(blake2b(row.data, digest_size=_BYTES).digest() for row in rows)
    return np.frombuffer(digests, f"S{_BYTES}")


def copies_within(split: str, prints: NDArray[np.bytes_], codes: Codes, heads: Heads) -> Duplicates:
    """Find samples whose image occurs earlier in the same split."""
    _, earliest, inverse = np.unique(prints, return_index=True, return_inverse=True)
    first = earliest[inverse]
    again = np.flatnonzero(first != np.arange(len(prints)))
    return _duplicates(split, split, first[again], again, codes, codes, heads)


def copies_across(
    first: str,
    second: str,
    prints: tuple[NDArray[np.bytes_], NDArray[np.bytes_]],
    codes: tuple[Codes, Codes],
    heads: Heads,
) -> Duplicates:
    """Find samples of the second split whose image is in the first split.

    Args:
        first: Name of the first split, such as `train`.
        second: Name of the second split, such as `test`.
        prints: Fingerprints [N] of both.
        codes: Labels [N] of both, by head name.
        heads: The heads that the labels belong to.
    """
    known, earliest = np.unique(prints[0], return_index=True)
    again = np.flatnonzero(np.isin(prints[1], known))
    matched = earliest[np.searchsorted(known, prints[1][again])]
    return _duplicates(first, second, matched, again, *codes, heads)


def _duplicates(
    first: str,
    second: str,
    matched: NDArray[np.int64],
    again: NDArray[np.int64],
    codes_first: Codes,
    codes_second: Codes,
    heads: Heads,
) -> Duplicates:
    differs = np.zeros(len(again), bool)
    for name, values in codes_second.items():
        kind = heads[name].kind
        one, other = codes_first[name][matched], values[again]
        told = (one == one) & (other == other)  # a NaN within a label is unknown
        unlike = ((one != other) & told).any(axis=tuple(range(1, one.ndim)))
        differs |= unlike & ~kind.is_missing(one) & ~kind.is_missing(other)
    pairs = zip(matched[:_EXAMPLES].tolist(), again[:_EXAMPLES].tolist(), strict=True)
    return Duplicates(first, second, len(again), int(differs.sum()), tuple(pairs))
