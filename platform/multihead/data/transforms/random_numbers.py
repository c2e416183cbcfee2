"""Random numbers that depend on (seed, epoch, sample) alone: arithmetic instead of a generator.

A generator of torch has a state, so what it draws depends on what was drawn before: on the size of
the batches, on the number of processes, on where a run was stopped. Here each number is a hash of
its own place. The arithmetic is of whole numbers, so every device comes to the same bits.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014),
# as numbers with a sign, which is what torch has: products wrap around alike.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
_BITS = 24  # that a float32 holds


def stream(seed: int, epoch: int, name: str, column: int) -> int:
    """Return where the numbers of one column begin, from -2^63 to 2^63 - 1."""
    text = f"{seed} {epoch} {column} {name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def streams(seed: int, epoch: int, columns: Sequence[tuple[str, int]]) -> Tensor:
    """Return where the numbers of each column, a name and a number, begin, int64 [n]."""
    starts = [stream(seed, epoch, name, column) for name, column in columns]
    return torch.tensor(starts, dtype=torch.int64)


def uniform(starts: Tensor, samples: Tensor) -> Tensor:
    """Return numbers from 0 to 1, without 1, float32 [B, n].

    Args:
        starts: Of the columns, int64 [n].
        samples: Numbers of the samples, int64 [B], on the same device.
    """
    bits = starts + (samples * _GAMMA).unsqueeze(1)
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    bits = bits ^ _shifted(bits, 31)
    return _shifted(bits, 64 - _BITS).float() * 2.0**-_BITS


def _shifted(bits: Tensor, by: int) -> Tensor:
    # torch repeats the sign when it shifts to the right; these are numbers without one.
    return (bits >> by) & ((1 << (64 - by)) - 1)


class Table:
    """Values that are equally likely, computed once where they take more than plain arithmetic.

    Sines and logarithms of different devices differ in their last bit, a table does not.

    Args:
        values: [n, ...], of a type that torch has.
    """

    def __init__(self, values: NDArray[np.generic]) -> None:
        self._values = torch.from_numpy(values)
        self._copies: dict[torch.device, Tensor] = {}

    def __call__(self, numbers: Tensor) -> Tensor:
        """Return the values [B, ...] for numbers [B] from 0 to 1, without 1."""
        return self.at((numbers * len(self._values)).long())

    def at(self, places: Tensor) -> Tensor:
        """Return the values [B, ...] at places int64 [B]."""
        if places.device not in self._copies:
            self._copies[places.device] = self._values.to(places.device)
        return self._copies[places.device][places]
