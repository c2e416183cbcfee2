"""The order of the rows in an epoch. It depends only on the seed, the epoch and the shards.

The shards are put in a random order. The resulting sequence of rows is cut into windows of at most
`shuffle_rows` rows, and each window is shuffled. So any position of the epoch can be found without
reading earlier rows, and only one window must be in memory.
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
        start: Position of its first row in the epoch.
        stop: Position after its last row.
        ranges: The ranges of rows in reading order, [p, 2].
        order: For each position, the index of its row in reading order, [stop - start]. None if
            the rows are used in reading order.
    """

    start: int
    stop: int
    ranges: Ranges
    order: NDArray[np.int64] | None

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row numbers in reading order, [stop - start]."""
        return rows_of(self.ranges)


class StreamOrder:
    """The rows of every epoch that one rank reads.

    Args:
        rows: Sorted row numbers [n] of the part that is read.
        starts: The first row of each of the k shards, then the number of rows; [k + 1].
        shuffle_rows: Largest number of rows in a window, 1 or more.
        seed: The random seed of the order of each epoch. None keeps the rows' own order.
        rank: The share of each epoch that is read, 0 to `world_size` - 1.
        world_size: Number of shares of an epoch. With a seed, all shares have the same size, and
            fewer than `world_size` rows are left out, different ones in each epoch. Without a seed,
            every row is in one share.

    Attributes:
        count: Number of rows of this rank in an epoch.
        longest: Number of rows of the rank that has the most.
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
        """Yield the windows of an epoch, beginning with the one that contains position `place`."""
        ranges = self.ranges
        if self.seed is not None:
            ranges = shuffled(ranges, self.starts, self.seed, epoch)
        for number in range(self.windows):
            # Windows of equal size, because a small last window would hardly be shuffled.
            start, stop = share_of(self.count, number, self.windows, even=False)
            if stop <= place:
                continue
            order = None
            if self.seed is not None:
                rng = np.random.default_rng([self.seed, epoch, self.first + start])
                order = rng.permutation(stop - start)
            yield Window(start, stop, clipped(ranges, self.first + start, self.first + stop), order)
