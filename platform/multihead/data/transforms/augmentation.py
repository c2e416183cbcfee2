"""Apply the transforms of a training in order, with their random numbers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from multihead.data.transforms.random_numbers import opposite, streams, uniform
from multihead.data.transforms.transform import Mixed, Pictures, Transform
from multihead.errors import ConfigError


class Augmentation:
    """Change a batch of training images.

    The random numbers of a transform depend on the seed, the epoch, the index of the sample and
    the transform's key in `data.augment`. So removing one transform does not change the numbers of
    the others.

    Args:
        transforms: Transforms by key, in the order in which they are applied.
        seed: `data.seed`.

    Attributes:
        mixes: Whether each image is mixed with the next one. A batch then has one more image than
            samples.

    Raises:
        ConfigError: If two transforms mix images.
    """

    def __init__(self, transforms: Mapping[str, Transform], seed: int) -> None:
        mixing = [key for key, each in transforms.items() if each.mixes]
        if len(mixing) > 1:
            raise ConfigError(
                f"data.augment mixes images twice, by {mixing[0]} and {mixing[1]}; set "
                f"data.augment.{mixing[1]}=null."
            )
        self.transforms, self.seed, self.mixes = dict(transforms), seed, bool(mixing)
        self._columns = [
            (each.alternates, key, number)
            for key, each in transforms.items()
            for number in range(each.numbers)
        ]
        self._starts: tuple[int, Tensor] | None = None

    def __call__(
        self, images: Tensor, labels: Mapping[str, Tensor], samples: Tensor, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor], Mixed | None]:
        """Return changed images uint8 [B, C, H, W], their labels, and the labels mixed in, if any.

        Args:
            images: uint8 [B, C, H, W], or [B + 1, C, H, W] if a transform mixes images.
            labels: Labels of the same samples, by head name.
            samples: Indices of the samples, int64, on the device of the images.
            epoch: 0 or more.
        """
        numbers, first = uniform(self._streams(epoch, samples.device), samples), 0
        pictures = Pictures(images)
        for each in self.transforms.values():
            own = numbers[: len(pictures.images), first : first + each.numbers]
            own = opposite(own) if each.alternates and epoch % 2 else own
            pictures, first = each.apply(pictures, own), first + each.numbers
        if pictures.share is None:
            return pictures.images, dict(labels), None
        own_labels = {name: values[:-1] for name, values in labels.items()}
        others = {name: values[1:] for name, values in labels.items()}
        return pictures.images, own_labels, Mixed(others, pictures.share)

    def check(self, shape: tuple[int, int, int]) -> None:
        """Try the transforms on blank images of a shape [C, H, W].

        Raises:
            ConfigError: If a transform cannot change such images, or returns another shape or
                type. The message names it.
        """
        pictures = Pictures(torch.zeros(3, *shape, dtype=torch.uint8))
        for key, each in self.transforms.items():
            each.check(shape)
            count = len(pictures.images) - each.mixes
            numbers = torch.full((len(pictures.images), each.numbers), 0.5)
            pictures = each.apply(pictures, numbers)
            images = pictures.images
            if images.dtype != torch.uint8 or images.shape != (count, *shape):
                raise ConfigError(
                    f"data.augment.{key} returns {images.dtype} {list(images.shape)} for {count} "
                    f"images of {list(shape)}; it must return uint8 images of the same shape."
                )

    def _streams(self, epoch: int, device: torch.device) -> Tensor:
        """Return the start of each column's random numbers, copied once per epoch and device."""
        if self._starts is None or self._starts[0] != epoch or self._starts[1].device != device:
            columns = [(0 if same else epoch, key, n) for same, key, n in self._columns]
            self._starts = epoch, streams(self.seed, columns).to(device)
        return self._starts[1]
