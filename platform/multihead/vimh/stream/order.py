"""Which rows an epoch streams, in which order: a function of (seed, epoch) and the shards alone.

The shards come in a random order. The rows that this strings together are cut into windows of at
most `shuffle_rows`, and each window is shuffled by itself. So any place of the epoch is found
without reading what is before it, and one window is all that has to be in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multihead.vimh.row_ranges import Ranges, clipped, ranges_of, rows_of, share_of, shuffled


@dataclass(frozen=True)
class Window:
    """Rows that are in memory together.

    Attributes:
        start: Place in the epoch of its first row.
        stop: Place after its last row.
        ranges: The rows as they are read, [p, 2].
        order: Which of them, counted as they are read, is at each place, [stop - start]; None for
            the order in which they are read.
    """

    start: int
    stop: int
    ranges: Ranges
    order: NDArray[np.int64] | None

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row numbers as they are read, [stop - start]."""
        return rows_of(self.ranges)


class StreamOrder:
    """The rows of every epoch that one rank reads.

    Args:
        rows: Sorted row numbers [n] of the part that is read.
        starts: The first row of each shard, and the number of rows, [k + 1].
        shuffle_rows: Rows of a window, 1 or more.
        seed: Fixes the order of every epoch; without one, rows come in their own order.
        rank: Which share of each epoch is read, 0 to `world_size` - 1.
        world_size: Shares of an epoch. With a seed all are of the same size, and what is left
            over, fewer rows than ranks and others in each epoch, is left out; without one every
            row is in one share.

    Attributes:
        count: Rows of this rank in an epoch.
        longest: Those of the rank that has most.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        starts: NDArray[np.int64],
        *,
        shuffle_rows: int,
        seed: int | None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.ranges, self.starts, self.seed = ranges_of(rows, starts), starts, seed
        self.first, self.last = share_of(len(rows), rank, world_size, even=seed is not None)
        self.count = self.last - self.first
        self.longest = self.count if seed is not None else -(-len(rows) // world_size)
        self.windows = -(-self.count // shuffle_rows)

    def epoch(self, epoch: int, place: int = 0) -> Iterator[Window]:
        """Yield the windows of an epoch from the one on that has a place."""
        ranges = self.ranges
        if self.seed is not None:
            ranges = shuffled(ranges, self.starts, self.seed, epoch)
        for number in range(self.windows):
            # Of one size, so that the last is no small one that hardly mixes.
            start, stop = share_of(self.count, number, self.windows, even=False)
            if stop <= place:
                continue
            order = None
            if self.seed is not None:
                rng = np.random.default_rng([self.seed, epoch, self.first + start])
                order = rng.permutation(stop - start)
            yield Window(start, stop, clipped(ranges, self.first + start, self.first + stop), order)
