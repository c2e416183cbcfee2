"""Split, shuffle and share ranges of rows. Each range is read with one request.

The rows of a split are numbered from 0 through all its shards. A range `(start, stop)` is within
one shard. Several ranges are an int64 array [p, 2]. `starts` [k + 1] holds the first row of each of
the k shards, then the number of rows.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from multihead.data.splits import check_sizes

Ranges = NDArray[np.int64]


def ranges_of(rows: NDArray[np.int64], starts: NDArray[np.int64]) -> Ranges:
    """Return the ranges [p, 2] of sorted, unique row numbers [n]."""
    if not len(rows):
        return np.empty((0, 2), np.int64)
    begins = np.diff(rows, prepend=-2) != 1
    inner = np.searchsorted(rows, starts[1:-1])
    begins[inner[inner < len(rows)]] = True
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(rows)) - 1
    return np.stack([rows[first], rows[last] + 1], 1)


def rows_of(ranges: Ranges) -> NDArray[np.int64]:
    """Return the row numbers [n] of ranges, in their order."""
    return np.concatenate([np.empty(0, np.int64), *(np.arange(*pair) for pair in ranges)])


def split_shards(
    starts: NDArray[np.int64], sizes: Sequence[int], seed: int, what: str
) -> list[NDArray[np.int64]]:
    """Draw disjoint parts. Each part takes the same share of every shard.

    In each shard, a part has consecutive rows from a random row on. The end of a shard continues at
    its beginning. So a part is read with few requests, and has all classes even if the dataset is
    sorted by class. The result depends only on the sizes, the shards and the seed.

    Args:
        starts: First rows of the shards, [k + 1].
        sizes: Number of rows in each part. The remaining rows are not used.
        seed: The random seed.
        what: A word for the rows in error messages.

    Returns:
        Sorted int64 row numbers [sizes[i]] of each part.

    Raises:
        ConfigError: If a size is negative or the sizes exceed the rows.
    """
    count = int(starts[-1])
    check_sizes(count, sizes, what)
    lengths = np.diff(starts)
    place = np.random.default_rng([seed, count]).integers(0, np.maximum(lengths, 1))
    free = lengths.copy()
    parts = []
    for size in sizes:
        share = _shares(free, size)
        parts.append(_wrapped(starts[:-1], lengths, place, share))
        place, free = place + share, free - share
    return parts


def shuffled(ranges: Ranges, starts: NDArray[np.int64], seed: int, epoch: int) -> Ranges:
    """Return ranges with the shards in random order; the order within a shard stays."""
    rng = np.random.default_rng([seed, epoch])
    rank = rng.permutation(len(starts) - 1)
    shard = np.searchsorted(starts, ranges[:, 0], side="right") - 1
    return ranges[np.argsort(rank[shard], kind="stable")]


def clipped(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return the ranges of elements `first` to `last` - 1 of the concatenated ranges."""
    ends = np.cumsum(ranges[:, 1] - ranges[:, 0])
    begins = ends - (ranges[:, 1] - ranges[:, 0])
    start = ranges[:, 0] + np.maximum(first - begins, 0)
    stop = ranges[:, 1] - np.maximum(ends - last, 0)
    inside = start < stop
    return np.stack([start[inside], stop[inside]], 1)


def share_of(count: int, rank: int, world_size: int, *, even: bool) -> tuple[int, int]:
    """Return a rank's share of `count` elements, as `(first, last + 1)`.

    Args:
        count: Number of elements.
        rank: 0 to `world_size` - 1.
        world_size: Number of ranks.
        even: If true, all ranks get the same number, and the last `count % world_size` elements are
            left out. If false, all elements are used, and the ranks' numbers differ by at most one.
    """
    if even:
        size = count // world_size
        return rank * size, (rank + 1) * size
    return count * rank // world_size, count * (rank + 1) // world_size


def _shares(free: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return how many of `size` rows each shard gives, in proportion to its free rows."""
    total = int(free.sum())
    # Python's integers, because the product may not fit into 64 bits.
    ends = [int(end) * size // total if total else 0 for end in np.cumsum(free)]
    return np.array([end - begin for begin, end in pairwise([0, *ends])], np.int64)


def _wrapped(
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    place: NDArray[np.int64],
    share: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return sorted row numbers: from each shard `share` [k] rows, from `place` [k] on."""
    shard = np.repeat(np.arange(len(share)), share)
    within = np.arange(len(shard)) - np.repeat(np.cumsum(share) - share, share)
    return np.sort(starts[shard] + (place[shard] + within) % lengths[shard])
