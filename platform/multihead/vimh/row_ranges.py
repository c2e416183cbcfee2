"""Ranges of rows that are read at once, and how they are split, shuffled and shared out.

Rows of a split are numbered from 0 through all its shards. A range is `(start, stop)` and lies in
one shard; several are an int64 array [p, 2]. `starts` [k + 1] says at which row each of k shards
begins, and how many rows there are.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from multihead.data.splits import check_sizes

Ranges = NDArray[np.int64]


def ranges_of(rows: NDArray[np.int64], starts: NDArray[np.int64]) -> Ranges:
    """Return the ranges [p, 2] that rising, different row numbers [n] make up."""
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
    """Draw disjoint parts of which each takes the same share of every shard.

    In a shard a part is consecutive rows (the end of a shard goes on at its beginning), from a
    random place on. So a part is read in few requests, and all of a set that is sorted by class
    are in it. Depends on sizes, shards and seed alone.

    Args:
        starts: Of the shards, [k + 1].
        sizes: Number of rows in each part; what they leave is not used.
        seed: Fixes the draw.
        what: Names the rows in an error.

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
    """Return ranges with their shards in the random order of an epoch; within a shard as given."""
    rng = np.random.default_rng([seed, epoch])
    rank = rng.permutation(len(starts) - 1)
    shard = np.searchsorted(starts, ranges[:, 0], side="right") - 1
    return ranges[np.argsort(rank[shard], kind="stable")]


def clipped(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return the places `first` to `last` - 1 of the rows that ranges string together."""
    ends = np.cumsum(ranges[:, 1] - ranges[:, 0])
    begins = ends - (ranges[:, 1] - ranges[:, 0])
    start = ranges[:, 0] + np.maximum(first - begins, 0)
    stop = ranges[:, 1] - np.maximum(ends - last, 0)
    inside = start < stop
    return np.stack([start[inside], stop[inside]], 1)


def share_of(count: int, rank: int, world_size: int, *, even: bool) -> tuple[int, int]:
    """Return which places of `count` a rank has, as `(first, last + 1)`.

    Args:
        count: Places there are.
        rank: 0 to `world_size` - 1.
        world_size: Ranks there are.
        even: Give every rank equally many and leave out the last `count % world_size`; otherwise
            each place is some rank's, and ranks differ by one at most.
    """
    if even:
        size = count // world_size
        return rank * size, (rank + 1) * size
    return count * rank // world_size, count * (rank + 1) // world_size


def _shares(free: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return how many of `size` each shard gives, in proportion to what it has left."""
    total = int(free.sum())
    # Python's integers: rows times rows may not fit into 64 bits.
    ends = [int(end) * size // total if total else 0 for end in np.cumsum(free)]
    return np.array([end - begin for begin, end in pairwise([0, *ends])], np.int64)


def _wrapped(
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    place: NDArray[np.int64],
    share: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the sorted rows of `share` [k] rows of each shard from `place` [k] on."""
    shard = np.repeat(np.arange(len(share)), share)
    within = np.arange(len(shard)) - np.repeat(np.cumsum(share) - share, share)
    return np.sort(starts[shard] + (place[shard] + within) % lengths[shard])
