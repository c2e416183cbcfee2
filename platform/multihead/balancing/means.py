"""The mean weight of each head over an epoch, for logging."""

import torch
from torch import Tensor, nn

from multihead.heads import Heads


class WeightMeans(nn.Module):
    """Sum the weights of the steps of an epoch on the device.

    The sums are buffers, so a resumed epoch gives the same means.

    Args:
        heads: Fixes T and the order of the weights.
    """

    sums: Tensor
    steps: Tensor

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.names = tuple(heads)
        self.register_buffer("sums", torch.zeros(len(heads)))
        self.register_buffer("steps", torch.zeros(len(heads)))

    def add(self, weights: Tensor, present: Tensor) -> None:
        """Add the weights [T] of one step, for heads with labels in it (`present`, bool [T])."""
        self.sums += weights * present
        self.steps += present

    def read(self) -> dict[str, float]:
        """Return the mean weight by name of each head that had a label, and reset."""
        means, steps = (self.sums / self.steps).tolist(), self.steps.tolist()
        self.reset()
        found = zip(self.names, means, steps, strict=True)
        return {name: mean for name, mean, seen in found if seen}

    def reset(self) -> None:
        """Set all sums to 0."""
        self.sums.zero_()
        self.steps.zero_()
