"""Random numbers that depend only on (seed, epoch, sample), without a generator.

A generator of torch has a state. Its numbers depend on earlier draws, and so on the batch size, the
number of processes and the step at which a run was stopped. Here each number is a hash of its
position. The hash uses integer arithmetic, so every device gives the same bits.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014),
# as signed numbers, because torch has no unsigned arithmetic. Products wrap around equally.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
_BITS = 24  # precision of a float32


def stream(seed: int, epoch: int, name: str, column: int) -> int:
    """Return the start of one column's numbers, from -2^63 to 2^63 - 1."""
    text = f"{seed} {epoch} {column} {name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def streams(seed: int, columns: Sequence[tuple[int, str, int]]) -> Tensor:
    """Return the start of each column's numbers, int64 [n].

    Args:
        seed: A seed.
        columns: Epoch, name and number of each column.
    """
    return torch.tensor([stream(seed, *column) for column in columns], dtype=torch.int64)


def uniform(starts: Tensor, samples: Tensor) -> Tensor:
    """Return random numbers in [0, 1), float32 [B, n].

    Args:
        starts: Starts of the columns, int64 [n].
        samples: Indices of the samples, int64 [B], on the same device.
    """
    bits = starts + (samples * _GAMMA).unsqueeze(1)
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    bits = bits ^ _shifted(bits, 31)
    return _shifted(bits, 64 - _BITS).float() * 2.0**-_BITS


def opposite(numbers: Tensor) -> Tensor:
    """Return the numbers in reverse order, the largest for 0 and 0 for the largest."""
    return (1 - 2.0**-_BITS) - numbers


def _shifted(bits: Tensor, by: int) -> Tensor:
    # A right shift in torch copies the sign bit, but these numbers are unsigned.
    return (bits >> by) & ((1 << (64 - by)) - 1)


class Table:
    """A table of equally likely values, for functions beyond plain arithmetic.

    Sines and logarithms differ in the last bit between devices, but a table does not.

    Args:
        values: [n, ...], of a type that torch has.
    """

    def __init__(self, values: NDArray[np.generic]) -> None:
        self._values = torch.from_numpy(values)
        self._copies: dict[torch.device, Tensor] = {}

    def __call__(self, numbers: Tensor) -> Tensor:
        """Return the values [B, ...] for numbers [B] in [0, 1)."""
        return self.at((numbers * len(self._values)).long())

    def at(self, places: Tensor) -> Tensor:
        """Return the values [B, ...] at indices int64 [B]."""
        if places.device not in self._copies:
            self._copies[places.device] = self._values.to(places.device)
        return self._copies[places.device][places]
