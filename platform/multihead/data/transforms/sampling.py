"""Pictures made of the pixels of others: one gather, in whole numbers.

Pixels are taken as they are, by the nearest, as Pillow's transforms do by default. Interpolation in
floats costs several times as much and rounds differently on different devices.
"""

import torch
from torch import Tensor

ONE = 1 << 16  # what 1 is in a matrix of whole numbers


def taken(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return images uint8 [B, C, H, W] of other rows and columns.

    Args:
        images: uint8 [B, C, H, W].
        rows: Which row is at each place, int64 [B, H].
        columns: Which column is at each place, int64 [B, W].
    """
    places = (rows * images.shape[3]).unsqueeze(2) + columns.unsqueeze(1)
    return _gathered(images, places)


def turned(images: Tensor, matrix: Tensor, shift: Tensor | None = None) -> Tensor:
    """Return images uint8 [B, C, H, W] under a linear map around their centres.

    Places outside an image get the nearest pixel of its edge.

    Args:
        images: uint8 [B, C, H, W].
        matrix: Maps a place of the new image to one of the old, (xx, xy, yx, yy) in units of
            1 / `ONE`, int64 [B, 4].
        shift: Pixels that are added to x and y of the old place, int64 [B, 2].
    """
    height, width = images.shape[2:]
    # Distances from the centre in halves of a pixel are whole numbers.
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
