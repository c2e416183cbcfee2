"""Move the pixels of pictures with one gather, in integers.

Each new pixel is the nearest old pixel, as by default in Pillow's transforms. Interpolation in
floats costs several times as much and rounds differently on different devices.
"""

import torch
from torch import Tensor

ONE = 1 << 16  # 1 in a matrix of integers


def taken(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Select rows and columns of images; return uint8 [B, C, H, W].

    Args:
        images: uint8 [B, C, H, W].
        rows: Old row for each new row, int64 [B, H].
        columns: Old column for each new column, int64 [B, W].
    """
    places = (rows * images.shape[3]).unsqueeze(2) + columns.unsqueeze(1)
    return _gathered(images, places)


def turned(images: Tensor, matrix: Tensor, shift: Tensor | None = None) -> Tensor:
    """Map images linearly around their centres; return uint8 [B, C, H, W].

    Positions outside an image get the nearest pixel of its edge.

    Args:
        images: uint8 [B, C, H, W].
        matrix: Maps new positions to old positions, (xx, xy, yx, yy) in units of
            1 / `ONE`, int64 [B, 4].
        shift: Pixels that are added to x and y of the old position, int64 [B, 2].
    """
    height, width = images.shape[2:]
    # Distances from the centre are integers in units of half a pixel.
    x = 2 * torch.arange(width, device=images.device) - (width - 1)
    y = (2 * torch.arange(height, device=images.device) - (height - 1)).unsqueeze(1)
    xx, xy, yx, yy = matrix.view(-1, 4, 1, 1).unbind(1)
    columns = (xx * x + xy * y + width * ONE) >> 17
    rows = (yx * x + yy * y + height * ONE) >> 17
    if shift is not None:
        columns = columns + shift[:, 0].view(-1, 1, 1)
        rows = rows + shift[:, 1].view(-1, 1, 1)
    return _gathered(images, rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1))


def _gathered(images: Tensor, places: Tensor) -> Tensor:
    count, channels, height, width = images.shape
    flat = places.view(count, 1, height * width).expand(-1, channels, -1)
    return images.flatten(2).gather(2, flat).view_as(images)
