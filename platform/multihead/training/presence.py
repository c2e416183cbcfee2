"""Track which heads had a label since the optimizer's last step."""

import torch
from torch import Tensor

from multihead.heads import Heads


class Presence:
    """Collect the heads with labels on the device, and read them once a step.

    Reading waits for the device, so this is used only for data with missing labels.

    Args:
        heads: Fixes T and the order.
    """

    def __init__(self, heads: Heads) -> None:
        self.names = tuple(heads)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._seen: Tensor | None = None

    def add(self, present: Tensor) -> None:
        """Add which heads have a label in a batch, bool [T]."""
        self._seen = present if self._seen is None else torch.logical_or(self._seen, present)

    def absent(self) -> list[str]:
        """Return the heads without a label in any batch since the last call."""
        if self._seen is None:
            return []
        seen = self._seen.tolist()
        self.reset()
        return [name for name, there in zip(self.names, seen, strict=True) if not there]
