"""RandAugment: a few random operations of one strength on each image."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.data.transforms.colour import blended, mean_grey, replaced, resaturated
from multihead.data.transforms.random_numbers import Table
from multihead.data.transforms.rotate import turning
from multihead.data.transforms.sampling import ONE, turned
from multihead.data.transforms.transform import Alteration, check_number, register
from multihead.errors import ConfigError

# The change that each operation makes. The constants after it are sizes at full strength.
_CHANGED = {
    "identity": "",
    "shear_x": "shear",
    "shear_y": "shear",
    "translate_x": "shift",
    "translate_y": "shift",
    "rotate": "rotate",
    "brightness": "colour",
    "contrast": "colour",
    "saturation": "colour",
    "posterize": "colour",
    "solarize": "colour",
    "autocontrast": "colour",
}
_SHEAR, _TRANSLATE, _DEGREES, _FACTOR, _BITS = 0.3, 0.45, 30.0, 0.9, 4
_STRONGEST = 30
_UNIT = 256


@register("rand_augment")
class RandAugment(Alteration):
    """Apply random operations with random signs to each image, all of one strength.

    Source: Cubuk, Zoph, Shlens & Le, RandAugment: Practical Automated Data Augmentation with a
    Reduced Search Space, NeurIPS 2020, arXiv:1909.13719. The
    operations equalize and sharpness are left out, and so is saturation for images without three
    channels. Each new pixel is the nearest old pixel. New pixels repeat the edge.

    Args:
        operations: Number of operations on each image, 1 to 10.
        strength: 0 to 30. At 30 the sizes are 0.3 (shear), 0.45 of a side (shift), 30 degrees
            (rotation), 0.9 (brightness, contrast, saturation), 4 bits (posterize) and 255
            (solarize).
        leave_out: Changes that are left out: some of shear, shift, rotate and colour.
        where_allowed: See `Transform`.
    """

    def __init__(
        self,
        operations: int = 2,
        strength: float = 9,
        leave_out: Sequence[str] = (),
        where_allowed: bool = False,
    ) -> None:
        self.operations = int(check_number("rand_augment.operations", operations, 1, 10))
        self.strength = check_number("rand_augment.strength", strength, 0, _STRONGEST)
        unknown = sorted(set(leave_out) - set(_CHANGED.values()) | ({""} & set(leave_out)))
        if unknown:
            raise ConfigError(
                f"rand_augment.leave_out has {unknown[0]!r}; choose from "
                f"{sorted(set(_CHANGED.values()) - {''})}."
            )
        self.kept = [name for name, change in _CHANGED.items() if change not in leave_out]
        self.where_allowed = where_allowed
        self.numbers = 2 * self.operations
        share = self.strength / _STRONGEST
        # Of each operation with one sign and the other.
        both = [(name, sign * share) for name in self.kept for sign in (1, -1)]
        self._matrices = Table(np.concatenate([_matrix(*each) for each in both]))
        self._shifts = Table(np.array([_shift(*each) for each in both], np.float32))
        self._maps = Table(np.stack([_levels(*each) for each in both]))
        factors = {name: [_factor(n, s, name) for n, s in both] for name in _BLENDED}
        self._factors = {name: Table(np.array(f, np.int32)) for name, f in factors.items()}
        self._is_auto = Table(np.array([name == "autocontrast" for name, _ in both]))

    @property
    def changes(self) -> frozenset[str]:
        """What its operations change."""
        return frozenset(_CHANGED[name] for name in self.kept) - {""}

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return images after all operations."""
        for number in range(self.operations):
            drawn, sign = numbers[:, 2 * number], numbers[:, 2 * number + 1]
            operation = (drawn * len(self.kept)).long() * 2 + (sign < 0.5).long()
            images = self._operated(images, operation)
        return images

    def _operated(self, images: Tensor, operation: Tensor) -> Tensor:
        """Apply one operation int64 [B] to each image: what another one does changes nothing."""
        height, width = images.shape[2:]
        changes = self.changes
        if changes & {"shear", "shift", "rotate"}:
            share = self._shifts.at(operation)
            by = torch.stack([share[:, 0] * width, share[:, 1] * height], 1)
            images = turned(images, self._matrices.at(operation), by.round().long())
        if "colour" not in changes:
            return images
        levels = self._maps.at(operation).int().unsqueeze(1)
        levels = blended(levels, mean_grey(images), self._factors["contrast"].at(operation))
        is_auto = self._is_auto.at(operation).view(-1, 1, 1)
        levels = torch.where(is_auto, _stretching(images), levels)
        images = replaced(images, levels.to(torch.uint8))
        if images.shape[1] != 3:
            return images
        return resaturated(images, self._factors["saturation"].at(operation))


_BLENDED = ("contrast", "saturation")


def _matrix(name: str, share: float) -> NDArray[np.int64]:
    by = round(ONE * _SHEAR * share)
    if name == "shear_x":
        return np.array([[ONE, by, 0, ONE]])
    if name == "shear_y":
        return np.array([[ONE, 0, by, ONE]])
    return turning(np.array([_DEGREES * share if name == "rotate" else 0.0]))


def _shift(name: str, share: float) -> tuple[float, float]:
    by = _TRANSLATE * share
    return (by if name == "translate_x" else 0.0, by if name == "translate_y" else 0.0)


def _levels(name: str, share: float) -> NDArray[np.uint8]:
    """Return what each grey level becomes, uint8 [256]."""
    levels = np.arange(256)
    if name == "brightness":
        levels = np.clip(np.rint(levels * (1 + _FACTOR * share)), 0, 255)
    elif name == "posterize":
        bits = round(_BITS * abs(share))
        levels = levels >> bits << bits
    elif name == "solarize":
        threshold = 255 * (1 - abs(share))
        levels = np.where(levels > threshold, 255 - levels, levels)
    return levels.astype(np.uint8)


def _factor(name: str, share: float, blended_by: str) -> int:
    return round(_UNIT * (1 + _FACTOR * share)) if name == blended_by else _UNIT


def _stretching(images: Tensor) -> Tensor:
    """Return what levels become where each channel is to reach from 0 to 255, int32 [B, C, 256]."""
    low, high = (f((2, 3)).int().unsqueeze(2) for f in (images.amin, images.amax))
    levels, span = torch.arange(256, dtype=torch.int32, device=images.device), high - low
    wide = ((levels - low) * 255 // span.clamp(min=1)).clamp(0, 255)
    return torch.where(span > 0, wide, levels)
