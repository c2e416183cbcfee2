"""One rectangle in each image."""

import torch
from torch import Tensor

from multihead.data.transforms.transform import whole


def in_box(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Return a mask of the pixels in each image's rectangle, bool [B, 1, H, W].

    Args:
        images: [B, C, H, W].
        top: First row, [B]; it may be outside the image.
        left: First column, [B]; it may be outside the image.
        height: Number of rows, [B].
        width: Number of columns, [B].
    """
    y = torch.arange(images.shape[2], device=images.device).view(1, 1, -1, 1)
    x = torch.arange(images.shape[3], device=images.device)
    rows = (y >= _each(top)) & (y < _each(top + height))
    return rows & (x >= _each(left)) & (x < _each(left + width))


def placed(side: int, size: Tensor, numbers: Tensor) -> Tensor:
    """Return random starts, int64 [B], for lengths `size` [B] that end within `side` pixels."""
    return whole(numbers, side - size + 1)


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
