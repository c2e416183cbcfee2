"""Which part of a batch each of several processes takes, when they train one network together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; by default there is one alone.

    Attributes:
        rank: Its number, 0 to `world_size` - 1.
        world_size: How many there are, 1 or more.
    """

    rank: int = 0
    world_size: int = 1

    def part(self, count: int) -> slice:
        """Return which of a batch's `count` samples are this rank's.

        The parts of all ranks, in their order, are the batch: none is left out or taken twice.
        They differ by one sample at most, and are empty where there are fewer samples than ranks.
        """
        return slice(
            self.rank * count // self.world_size, (self.rank + 1) * count // self.world_size
        )
