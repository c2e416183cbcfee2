"""The mean weight of each head over an epoch, for its curve."""

import torch
from torch import Tensor, nn

from multihead.heads import Heads


class WeightMeans(nn.Module):
    """Add up the weights of the steps of an epoch on the device.

    The sums are buffers, so that an epoch that is resumed comes to the same means.

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
        """Add the weights [T] of one step, of the heads that had labels in it."""
        self.sums += weights * present
        self.steps += present

    def read(self) -> dict[str, float]:
        """Return the mean by head name, NaN for a head without labels, and start anew."""
        means = (self.sums / self.steps).tolist()
        self.reset()
        return dict(zip(self.names, means, strict=True))

    def reset(self) -> None:
        """Forget everything."""
        self.sums.zero_()
        self.steps.zero_()
