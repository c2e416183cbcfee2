"""What a transform is: a batch of images and its random numbers to a batch of images.

A transform knows no data, no labels and no epoch, and draws nothing itself, so that it cannot
depend on anything but (seed, epoch, sample).

torchvision's v2 transforms and kornia's either draw one set of parameters for a whole batch, or
draw for each sample from a generator with a state. Neither gives the same images after a resume,
at another batch size or on two devices. So transforms here are batched torch code whose parameters
[B] are given.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor

from multihead.errors import ConfigError

# What a transform can change of a picture, and so what can make a label wrong.
CHANGES = (
    *("hflip", "vflip", "shift", "crop", "rotate", "shear", "scale"),
    *("colour", "hue", "erase", "mixup", "cutmix"),
)
_Made = TypeVar("_Made", bound="type[Transform]")


class Pictures(NamedTuple):
    """Images on their way through the transforms.

    Attributes:
        images: uint8 [B, C, H, W], and one more that follows the last where they are to be mixed.
        share: Float32 [B], how much of each mixed image is its own; none if they are not mixed.
    """

    images: Tensor
    share: Tensor | None = None


class Mixed(NamedTuple):
    """What belongs to the labels of a batch whose images are mixed with others.

    Attributes:
        labels: Of the other image of each sample, [B, ...] by head name.
        share: How much of each image is its own, float32 [B], from 0 to 1.
    """

    labels: dict[str, Tensor]
    share: Tensor


class Transform(ABC):
    """Changes training images; the base of `Alteration` and `Mixture`.

    Attributes:
        name: What it is called in messages, and what it changes unless `changes` says more; the
            name of its class if none is given.
        numbers: How many random numbers it takes for each sample.
        mixes: Whether each image is mixed with the one that follows it.
        where_allowed: Leave it out, and say so, where it would make a label wrong; otherwise such a
            training is refused.
    """

    name: ClassVar[str]
    numbers: int = 0
    mixes: ClassVar[bool] = False
    where_allowed: bool = False

    def __init_subclass__(cls, **options: object) -> None:
        """Give a class without a name its own."""
        super().__init_subclass__(**options)
        if not hasattr(cls, "name"):
            cls.name = cls.__name__

    @property
    def changes(self) -> frozenset[str]:
        """What it changes of a picture, of `CHANGES` or a word of your own.

        A head whose `breaks` has one of them has a wrong label afterwards.
        """
        return frozenset([self.name])

    def check(self, shape: tuple[int, int, int]) -> None:
        """Refuse images of channels, height and width that it cannot change.

        Raises:
            ConfigError: Naming what does not fit.
        """
        return

    @abstractmethod
    def apply(self, pictures: Pictures, numbers: Tensor) -> Pictures:
        """Return changed pictures; those given stay as they are.

        Args:
            pictures: [B].
            numbers: From 0 to 1, without 1, float32 [B, `numbers`].
        """


class Alteration(Transform):
    """Changes each image by itself."""

    @abstractmethod
    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return changed images, uint8 [B, C, H, W]; those given stay as they are.

        Args:
            images: uint8 [B, C, H, W], on any device; B may be 0.
            numbers: From 0 to 1, without 1, float32 [B, `numbers`], on the same device.
        """

    def apply(self, pictures: Pictures, numbers: Tensor) -> Pictures:
        """Change the images."""
        return pictures._replace(images=self(pictures.images, numbers))


class Mixture(Transform):
    """Mixes each image, and its labels, with another one."""

    mixes = True

    @abstractmethod
    def mix(self, images: Tensor, others: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed images, uint8 [B, C, H, W], and how much of each is its own, float32 [B].

        Args:
            images: uint8 [B, C, H, W], on any device; B may be 0.
            others: What each is mixed with, uint8 [B, C, H, W].
            numbers: From 0 to 1, without 1, float32 [B, `numbers`], on the same device.
        """

    def apply(self, pictures: Pictures, numbers: Tensor) -> Pictures:
        """Mix each image but the last with the one after it."""
        images = pictures.images
        return Pictures(*self.mix(images[:-1], images[1:], numbers[: max(len(images) - 1, 0)]))


# Shipped ones by name.
TRANSFORMS: dict[str, type[Transform]] = {}


def register(name: str) -> Callable[[_Made], _Made]:
    """Give a transform its name, and note it."""

    def registered(cls: _Made) -> _Made:
        cls.name = name
        TRANSFORMS[name] = cls
        return cls

    return registered


def check_number(name: str, value: float, least: float, most: float) -> float:
    """Return an option's value.

    Raises:
        ConfigError: If it is outside its bounds.
    """
    if not least <= value <= most:
        raise ConfigError(f"{name} is {value:g}; give {least:g} to {most:g}.")
    return float(value)


def whole(numbers: Tensor, count: Tensor | int) -> Tensor:
    """Return whole numbers from 0 to `count` - 1, int64, from numbers of 0 to 1, without 1."""
    found = (numbers * count).long()
    # Rounded up, a number next to 1 times a large count is the count.
    return (
        torch.minimum(found, count - 1) if isinstance(count, Tensor) else found.clamp(max=count - 1)
    )
