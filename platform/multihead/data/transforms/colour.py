"""Change the brightness, contrast, saturation and hue of images."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.transform import Alteration, check_number, register, whole
from multihead.errors import ConfigError

_UNIT = 256  # a factor of 1 as an integer
_TURNS = 1025
_GREY = (77, 150, 29)  # weights of red, green and blue in grey: ITU-R BT.601, in units of 1 / 256


@register("colour")
class Colour(Alteration):
    """Change contrast, brightness, saturation and hue, in this order.

    For an argument x, the factor is drawn from 1 - x to 1 + x. Hue is rotated in the YIQ colour
    space. This linear map keeps grey pixels grey and keeps the brightness of each pixel.

    Args:
        brightness: Range x of the factor of all pixels, 0 to 1.
        contrast: Range x of the factor of the difference from the image's mean grey, 0 to 1.
        saturation: Range x of the factor of the difference from the pixel's grey, 0 to 1. Above 0
            it needs images with three channels.
        hue: Largest rotation of hue in either direction, in turns of the circle, 0 to 0.5. Above 0
            it needs images with three channels.
        where_allowed: See `Transform`.
    """

    numbers = 4

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.0,
        hue: float = 0.0,
        where_allowed: bool = False,
    ) -> None:
        self.brightness = check_number("colour.brightness", brightness, 0, 1)
        self.contrast = check_number("colour.contrast", contrast, 0, 1)
        self.saturation = check_number("colour.saturation", saturation, 0, 1)
        self.hue = check_number("colour.hue", hue, 0, 0.5)
        self.where_allowed = where_allowed
        self._turns = Table(_hue_matrices(np.linspace(-self.hue, self.hue, _TURNS)))

    @property
    def changes(self) -> frozenset[str]:
        """`colour`, and `hue` if it is rotated."""
        return frozenset(["colour", "hue"] if self.hue else ["colour"])

    def check(self, shape: tuple[int, int, int]) -> None:
        """Check that images have three channels if saturation or hue changes.

        Raises:
            ConfigError: If they have another number of channels.
        """
        for option in ("saturation", "hue"):
            if getattr(self, option) and shape[0] != 3:
                raise ConfigError(
                    f"colour.{option} is {getattr(self, option):g}, but images have {shape[0]} "
                    f"channels, not 3; set it to 0."
                )

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return images with changed colours, uint8 [B, C, H, W]."""
        if self.brightness or self.contrast:
            levels = torch.arange(256, dtype=torch.int32, device=images.device).expand(1, 1, -1)
            contrast = _factors(numbers[:, 1], self.contrast)
            levels = blended(levels, mean_grey(images), contrast)
            levels = blended(levels, 0, _factors(numbers[:, 0], self.brightness))
            images = replaced(images, levels.to(torch.uint8))
        if self.saturation:
            images = resaturated(images, _factors(numbers[:, 2], self.saturation))
        if self.hue:
            pixels = images.int()
            red, green, blue = self._turns(numbers[:, 3]).view(-1, 3, 3, 1, 1).unbind(2)
            turned = red * pixels[:, 0:1] + green * pixels[:, 1:2] + blue * pixels[:, 2:3]
            images = ((turned + 512) >> 10).clamp(0, 255).to(torch.uint8)
        return images


def blended(pixels: Tensor, other: Tensor | int, factors: Tensor) -> Tensor:
    """Return other + factor * (pixels - other) within 0..255, int32 [B, ...].

    Args:
        pixels: int32 [B, ...] or [1, ...].
        other: int32 of a shape that broadcasts with `pixels`.
        factors: In units of 1 / 256, int32 [B].
    """
    far = (pixels - other) * factors.view(-1, *[1] * (pixels.ndim - 1))
    return (((far + _UNIT // 2) >> 8) + other).clamp(0, 255)


def replaced(images: Tensor, levels: Tensor) -> Tensor:
    """Replace each pixel by its entry in a table; return uint8 [B, C, H, W].

    Args:
        images: uint8 [B, C, H, W].
        levels: New value of each of 256 levels, uint8 [B, C, 256] or [B, 1, 256].
    """
    flat = images.flatten(2)
    return levels.expand(-1, images.shape[1], -1).gather(2, flat.long()).view_as(images)


def resaturated(images: Tensor, factors: Tensor) -> Tensor:
    """Move each pixel away from its grey, or towards it; return uint8 [B, 3, H, W].

    Args:
        images: uint8 [B, 3, H, W].
        factors: In units of 1 / 256, int32 [B].
    """
    pixels = images.int()
    red, green, blue = (weight * pixels[:, i : i + 1] for i, weight in enumerate(_GREY))
    return blended(pixels, (red + green + blue) >> 8, factors).to(torch.uint8)


def mean_grey(images: Tensor) -> Tensor:
    """Return the mean grey of images uint8 [B, C, H, W], int32 [B, 1, 1]."""
    sums, channels = images.sum((2, 3)), images.shape[1]
    weights = _GREY if channels == 3 else (1,) * channels
    total = sums.new_zeros(len(sums))
    for channel, weight in enumerate(weights):
        total = total + weight * sums[:, channel]
    mean = total // (sum(weights) * images.shape[2] * images.shape[3])
    return mean.int().view(-1, 1, 1)


def _factors(numbers: Tensor, most: float) -> Tensor:
    spread = round(_UNIT * most)
    return (whole(numbers, 2 * spread + 1) + (_UNIT - spread)).int()


def _hue_matrices(turns: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return matrices for red, green and blue, int32 [n, 3, 3], in units of 1 / 1024."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    angles = 2 * np.pi * turns
    round_y = np.zeros((len(turns), 3, 3))
    round_y[:, 0, 0] = 1
    round_y[:, 1, 1] = round_y[:, 2, 2] = np.cos(angles)
    round_y[:, 1, 2], round_y[:, 2, 1] = -np.sin(angles), np.sin(angles)
    return np.asarray(np.rint(1024 * (np.linalg.inv(yiq) @ round_y @ yiq)), np.int32)
