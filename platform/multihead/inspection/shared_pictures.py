"""Warn before a training if two of its parts share images, since test results are then too good.

This is done only if it takes little time compared with a training; see `MOST_BYTES`.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from multihead.data.loader import LoadsItself
from multihead.data.source import Source
from multihead.inspection.duplicates import Duplicates, copies_across, fingerprints

# 200,000 images of 28x28, or 600 MB of larger ones, took 1.6 s on one core of a busy machine.
# 60,000 images of 32x32x3 took 0.7 s.
MOST_BYTES, MOST_PICTURES = 600_000_000, 200_000
_SHOWN = 3
_BLOCK_BYTES = 4 << 20

Parts = Mapping[str, tuple[Source, NDArray[np.int64]]]


def shared_pictures(parts: Parts) -> list[str]:
    """Return a sentence for every two parts that have images in common.

    Args:
        parts: For each part by name, its source and the indices [n] of its samples in the source.

    Returns:
        The sentences. Empty if data are streamed, decoded on demand, or too large to check quickly.
    """
    if not all(_is_in_memory(source) for source, _ in parts.values()) or _is_too_large(parts):
        return []
    prints = {name: _prints(*part) for name, part in parts.items()}
    return list(_sentences(parts, prints))


def _sentences(parts: Parts, prints: Mapping[str, NDArray[np.bytes_]]) -> Iterator[str]:
    for first, second in combinations(parts, 2):
        heads, both = parts[first][0].heads, (prints[first], prints[second])
        found = copies_across(first, second, both, ({}, {}), heads)
        if found.count:
            yield _sentence(found, parts)


def _sentence(found: Duplicates, parts: Parts) -> str:
    of_first, of_second = parts[found.first][1], parts[found.second][1]
    pairs = ", ".join(f"{of_second[b]:,} = {of_first[a]:,}" for a, b in found.examples[:_SHOWN])
    are = "is" if found.count == 1 else "are"
    return (
        f"{found.count:,} of {len(of_second):,} {found.second} pictures {are} also in "
        f"{found.first} (sample numbers in the files: {pairs}), so {found.second} results are "
        f"better than on new pictures"
    )


def _is_in_memory(source: Source) -> bool:
    images: object = source.images  # a user's own source may have another indexable type
    return isinstance(images, np.ndarray) and not isinstance(source, LoadsItself)


def _is_too_large(parts: Parts) -> bool:
    count = sum(len(index) for _, index in parts.values())
    size = sum(len(i) * int(np.prod(source.image_shape)) for source, i in parts.values())
    return count > MOST_PICTURES or size > MOST_BYTES


def _prints(source: Source, index: NDArray[np.int64]) -> NDArray[np.bytes_]:
    rows = max(1, _BLOCK_BYTES // int(np.prod(source.image_shape)))
    blocks = np.split(index, range(rows, len(index), rows))
    return np.concatenate([fingerprints(source.images[block]) for block in blocks])
