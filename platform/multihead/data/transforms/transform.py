"""The interface of transforms: images and random numbers become changed images.

A transform gets its random numbers as an argument and knows no labels and no epoch. So its result
depends only on (seed, epoch, sample).

The v2 transforms of torchvision and those of kornia draw one set of parameters per batch, or draw
from a generator with a state. So their images change after a resume, with the batch size or with
the number of devices. The transforms here are batched torch code whose parameters [B] are given.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor

from multihead.errors import ConfigError

# The changes that transforms can make to a picture. Each can make a label wrong.
CHANGES = (
    *("hflip", "vflip", "shift", "crop", "rotate", "shear", "scale"),
    *("colour", "hue", "erase", "mixup", "cutmix"),
)
_Made = TypeVar("_Made", bound="type[Transform]")


class Pictures(NamedTuple):
    """Images between two transforms.

    Attributes:
        images: uint8 [B, C, H, W]. If images will be mixed, one more image follows the last.
        share: Own share of each mixed image, float32 [B], 0 to 1. None if images are not mixed.
    """

    images: Tensor
    share: Tensor | None = None


class Mixed(NamedTuple):
    """The other labels of a batch of mixed images.

    Attributes:
        labels: Labels of the other image of each sample, [B, ...] by head name.
        share: Own share of each mixed image, float32 [B], 0 to 1.
    """

    labels: dict[str, Tensor]
    share: Tensor


class Transform(ABC):
    """Base class of `Alteration` and `Mixture`, which change training images.

    Attributes:
        name: Its name in messages, and by default the name of its change. The default is the name
            of its class.
        numbers: Number of random numbers per sample.
        alternates: Whether a sample has the same random numbers in all even epochs, and their
            opposites, 1 minus the number, in all odd ones. By default each epoch has new numbers.
        mixes: Whether each image is mixed with the next one.
        where_allowed: Whether it is left out, with a note, if it makes a label wrong. If false,
            such a training is refused.
    """

    name: ClassVar[str]
    numbers: int = 0
    alternates: bool = False
    mixes: ClassVar[bool] = False
    where_allowed: bool = False

    def __init_subclass__(cls, **options: object) -> None:
        """Set the name of a subclass that has none."""
        super().__init_subclass__(**options)
        if not hasattr(cls, "name"):
            cls.name = cls.__name__

    @property
    def changes(self) -> frozenset[str]:
        """The changes that it makes to a picture: entries of `CHANGES`, or new names.

        A change makes the label of a head wrong if the head's `breaks` has it.
        """
        return frozenset([self.name])

    def check(self, shape: tuple[int, int, int]) -> None:
        """Check that it can change images of a shape [C, H, W].

        Raises:
            ConfigError: If it cannot. The message says why.
        """
        return

    @abstractmethod
    def apply(self, pictures: Pictures, numbers: Tensor) -> Pictures:
        """Return changed pictures. It does not change its arguments.

        Args:
            pictures: B pictures.
            numbers: Random numbers in [0, 1), float32 [B, `numbers`].
        """


class Alteration(Transform):
    """A transform that changes each image by itself."""

    @abstractmethod
    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return changed images, uint8 [B, C, H, W]. It does not change its arguments.

        Args:
            images: uint8 [B, C, H, W], on any device; B may be 0.
            numbers: Random numbers in [0, 1), float32 [B, `numbers`], on the same device.
        """

    def apply(self, pictures: Pictures, numbers: Tensor) -> Pictures:
        """Change the images."""
        return pictures._replace(images=self(pictures.images, numbers))


class Mixture(Transform):
    """A transform that mixes each image and its labels with another image."""

    mixes = True

    @abstractmethod
    def mix(self, images: Tensor, others: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed images, uint8 [B, C, H, W], and their own shares, float32 [B], 0 to 1.

        Args:
            images: uint8 [B, C, H, W], on any device; B may be 0.
            others: The other image for each image, uint8 [B, C, H, W].
            numbers: Random numbers in [0, 1), float32 [B, `numbers`], on the same device.
        """

    def apply(self, pictures: Pictures, numbers: Tensor) -> Pictures:
        """Mix each image, except the last, with the next one."""
        images = pictures.images
        return Pictures(*self.mix(images[:-1], images[1:], numbers[: max(len(images) - 1, 0)]))


# Shipped transforms by name.
TRANSFORMS: dict[str, type[Transform]] = {}


def register(name: str) -> Callable[[_Made], _Made]:
    """Return a class decorator that names a transform and adds it to `TRANSFORMS`."""

    def registered(cls: _Made) -> _Made:
        cls.name = name
        TRANSFORMS[name] = cls
        return cls

    return registered


def check_number(name: str, value: float, least: float, most: float) -> float:
    """Return an option's value after checking it.

    Raises:
        ConfigError: If it is not between `least` and `most`.
    """
    if not least <= value <= most:
        raise ConfigError(f"{name} is {value:g}; give {least:g} to {most:g}.")
    return float(value)


def whole(numbers: Tensor, count: Tensor | int) -> Tensor:
    """Turn numbers in [0, 1) into integers from 0 to `count` - 1, int64."""
    found = (numbers * count).long()
    # A number just below 1 times a large count may round up to the count.
    return (
        torch.minimum(found, count - 1) if isinstance(count, Tensor) else found.clamp(max=count - 1)
    )
