"""Notice a loss that is not finite, without asking the device at every step."""

import torch
from torch import Tensor

from multihead.heads import Heads


class FiniteWatch:
    """Keep the losses of the last steps, to name the first that was not finite.

    The device is asked once in `LENGTH` steps, never in between.

    Args:
        heads: Fixes T and the order of the losses.
    """

    LENGTH = 50

    def __init__(self, heads: Heads) -> None:
        self.names = tuple(heads)
        self._recent: list[tuple[int, Tensor]] = []

    def add(self, losses: Tensor, step: int) -> None:
        """Note the losses [T] of one step; `report` must be asked when there is no room."""
        self._recent.append((step, losses.detach()))

    @property
    def is_full(self) -> bool:
        """Whether `report` must be asked before the next step."""
        return len(self._recent) >= self.LENGTH

    def report(self) -> tuple[int, str] | None:
        """Return step and head of the first loss that was not finite, or None, and forget all."""
        recent, self._recent = self._recent, []
        if not recent:
            return None
        bad = (~torch.stack([losses for _, losses in recent]).isfinite()).nonzero()
        if not len(bad):
            return None
        row, column = bad[0].tolist()
        return recent[row][0], self.names[column]
