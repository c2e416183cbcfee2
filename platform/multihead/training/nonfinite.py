"""Detect a loss that is not finite, without waiting for the device at every step."""

import torch
from torch import Tensor

from multihead.heads import Heads


class FiniteWatch:
    """Keep the losses of the last steps, and find the first one that is not finite.

    The losses stay on the device and are read once in `LENGTH` steps.

    Args:
        heads: Fixes T and the order of the losses.
    """

    LENGTH = 50

    def __init__(self, heads: Heads) -> None:
        self.names = tuple(heads)
        self._recent: list[tuple[int, Tensor]] = []

    def add(self, losses: Tensor, step: int) -> None:
        """Add the losses [T] of one step; call `report` first if `is_full`."""
        self._recent.append((step, losses.detach()))

    @property
    def is_full(self) -> bool:
        """Whether `report` must be called before the next step."""
        return len(self._recent) >= self.LENGTH

    def report(self) -> tuple[int, str] | None:
        """Return step and head of the first loss that is not finite, or None, and reset."""
        recent, self._recent = self._recent, []
        if not recent:
            return None
        bad = (~torch.stack([losses for _, losses in recent]).isfinite()).nonzero()
        if not len(bad):
            return None
        row, column = bad[0].tolist()
        return recent[row][0], self.names[column]
