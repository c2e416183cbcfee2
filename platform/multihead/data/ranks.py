"""The part of a batch that each process takes when several processes train one network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together. The default is a single process.

    Attributes:
        rank: Number of this process, 0 to `world_size` - 1.
        world_size: Number of processes, 1 or more.
    """

    rank: int = 0
    world_size: int = 1

    def part(self, count: int) -> slice:
        """Return the slice of a batch of `count` samples that belongs to this rank.

        Each sample of the batch is in the slice of exactly one rank. Slices differ by one sample
        at most. Some are empty if there are fewer samples than ranks.
        """
        return slice(
            self.rank * count // self.world_size, (self.rank + 1) * count // self.world_size
        )
