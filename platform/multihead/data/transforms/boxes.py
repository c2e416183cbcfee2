"""Rectangles within images, one for each."""

import torch
from torch import Tensor

from multihead.data.transforms.transform import whole


def in_box(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Return which pixels are in a rectangle, bool [B, 1, H, W].

    Args:
        images: [B, C, H, W].
        top: First row, [B]; it may lie outside.
        left: First column, [B].
        height: Rows, [B].
        width: Columns, [B].
    """
    y = torch.arange(images.shape[2], device=images.device).view(1, 1, -1, 1)
    x = torch.arange(images.shape[3], device=images.device)
    rows = (y >= _each(top)) & (y < _each(top + height))
    return rows & (x >= _each(left)) & (x < _each(left + width))


def placed(side: int, size: Tensor, numbers: Tensor) -> Tensor:
    """Return where a part of a side begins that lies within it, int64 [B]."""
    return whole(numbers, side - size + 1)


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
