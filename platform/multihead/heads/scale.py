"""The conversions of `Parameter` for tensors."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multihead.heads.parameter import Parameter


class Scale(nn.Module):
    """Converts between labels, positions in the range (0 to 1) and values of a parameter.

    Values are stored as offsets from the middle of the range (the geometric middle on a log scale).
    So float32 resolves a ten-millionth of the range, even if the range is far from 0.

    Args:
        parameter: Range, scale and number of levels K.

    Attributes:
        centre: The middle of the range, in the parameter's unit.
        offsets: The values of the levels minus the centre; float32 [K], in the unit.
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
        """Move with the module, but stay float32; half precision is too coarse for levels."""
        table = self.offsets
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.offsets = table.to(self.offsets.device)
        return self

    def from_share(self, share: Tensor) -> Tensor:
        """Return offsets in the unit for positions; 0 is the minimum, 1 the maximum."""
        distance = (share - 0.5) * self.width
        return self.centre * torch.expm1(distance) if self.is_log else distance

    def to_share(self, offsets: Tensor) -> Tensor:
        """Return the positions (0 to 1) of offsets in the unit."""
        if self.is_log:
            return torch.log1p(offsets / self.centre) / self.width + 0.5
        return offsets / self.width + 0.5

    def to_level(self, offsets: Tensor) -> Tensor:
        """Return the nearest levels, int64; offsets outside the range are clipped."""
        inside = offsets.clamp(*self._ends)
        level = (self.to_share(inside) * self.last + 0.5).floor().long()
        return level.clamp(0, self.last)  # needed because NaN gives an arbitrary level

    def of_labels(self, labels: Tensor) -> Tensor:
        """Return the offsets of labels. Integer labels are levels; floats are values."""
        if labels.is_floating_point():
            return (labels - self.centre).float()
        return self.offsets[labels]

    def shares_of_labels(self, labels: Tensor) -> Tensor:
        """Return the positions (0 to 1) of labels, which are as in `of_labels`."""
        if labels.is_floating_point():
            return self.to_share(self.of_labels(labels))
        return labels / self.last
