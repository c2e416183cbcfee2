"""A parameter's arithmetic on tensors, where `Parameter` has it for arrays."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multihead.heads.parameter import Parameter


class Scale(nn.Module):
    """Turn labels, shares of the range and values of a parameter into each other.

    Values are kept as offsets from the middle of the range (the geometric middle of a
    logarithmic one), so that float32 resolves a ten-millionth of the range however far from 0
    the range lies.

    Args:
        parameter: Range, scale and number of levels K.

    Attributes:
        centre: The middle of the range, in the parameter's unit.
        offsets: What the levels stand for, less the centre; float32 [K], in the unit.
    """

    offsets: Tensor

    def __init__(self, parameter: Parameter) -> None:
        super().__init__()
        self.is_log = parameter.scale == "log"
        low, high = parameter.minimum, parameter.maximum
        self.width = math.log(high / low) if self.is_log else high - low
        self.last = parameter.levels - 1
        self.centre = float(parameter.decode(self.last / 2))
        table = parameter.decode(np.arange(parameter.levels)) - self.centre
        self._ends = float(table[0]), float(table[-1])
        self.register_buffer("offsets", torch.from_numpy(table).float(), persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> "Scale":
        """Move with the module, but stay float32: half precision would blur the levels."""
        table = self.offsets
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.offsets = table.to(self.offsets.device)
        return self

    def from_share(self, share: Tensor) -> Tensor:
        """Return offsets in the unit for shares of the range; 0 is the minimum, 1 the maximum."""
        distance = (share - 0.5) * self.width
        return self.centre * torch.expm1(distance) if self.is_log else distance

    def to_share(self, offsets: Tensor) -> Tensor:
        """Return the share of the range of offsets in the unit."""
        if self.is_log:
            return torch.log1p(offsets / self.centre) / self.width + 0.5
        return offsets / self.width + 0.5

    def to_level(self, offsets: Tensor) -> Tensor:
        """Return the nearest level, int64; offsets outside the range get its end."""
        inside = offsets.clamp(*self._ends)
        level = (self.to_share(inside) * self.last + 0.5).floor().long()
        return level.clamp(0, self.last)  # what is not a number has no nearest level

    def of_labels(self, labels: Tensor) -> Tensor:
        """Return the offsets of labels: levels where they are integers, values otherwise."""
        if labels.is_floating_point():
            return (labels - self.centre).float()
        return self.offsets[labels]

    def shares_of_labels(self, labels: Tensor) -> Tensor:
        """Return the share of the range of labels, levels or values as in `of_labels`."""
        if labels.is_floating_point():
            return self.to_share(self.of_labels(labels))
        return labels / self.last
