"""The transforms of a training, one after the other, with their random numbers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from multihead.data.transforms.random_numbers import streams, uniform
from multihead.data.transforms.transform import Mixed, Pictures, Transform
from multihead.errors import ConfigError


class Augmentation:
    """Change a batch of training images.

    The random numbers of a transform depend on the seed, the epoch, the number of the sample and
    the transform's place in `data.augment`, its key. So leaving one out changes nothing for the
    others.

    Args:
        transforms: By key, in the order in which they are applied.
        seed: Of the data.

    Attributes:
        mixes: Whether each image is mixed with the one that follows it. A batch then has one image
            more than samples.

    Raises:
        ConfigError: For two transforms that mix images.
    """

    def __init__(self, transforms: Mapping[str, Transform], seed: int) -> None:
        mixing = [key for key, each in transforms.items() if each.mixes]
        if len(mixing) > 1:
            raise ConfigError(
                f"data.augment mixes images twice, by {mixing[0]} and {mixing[1]}; set "
                f"data.augment.{mixing[1]}=null."
            )
        self.transforms, self.seed, self.mixes = dict(transforms), seed, bool(mixing)
        self._columns = [(k, n) for k, each in transforms.items() for n in range(each.numbers)]
        self._starts: tuple[int, Tensor] | None = None

    def __call__(
        self, images: Tensor, labels: Mapping[str, Tensor], samples: Tensor, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor], Mixed | None]:
        """Return changed images uint8 [B, C, H, W], their labels and what these are mixed with.

        Args:
            images: uint8 [B, C, H, W], or [B + 1, C, H, W] where they are to be mixed.
            labels: Of the same samples, by head name.
            samples: Their numbers, int64, on the device of the images.
            epoch: 0 or more.
        """
        numbers, first = uniform(self._streams(epoch, samples.device), samples), 0
        pictures = Pictures(images)
        for each in self.transforms.values():
            own = numbers[: len(pictures.images), first : first + each.numbers]
            pictures, first = each.apply(pictures, own), first + each.numbers
        if pictures.share is None:
            return pictures.images, dict(labels), None
        own_labels = {name: values[:-1] for name, values in labels.items()}
        others = {name: values[1:] for name, values in labels.items()}
        return pictures.images, own_labels, Mixed(others, pictures.share)

    def check(self, shape: tuple[int, int, int]) -> None:
        """Try the transforms on blank images of channels, height and width.

        Raises:
            ConfigError: Naming the one that cannot change them, or makes something else of them.
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
                    f"data.augment.{key} makes {images.dtype} {list(images.shape)} of {count} "
                    f"images of {list(shape)}; it must return them as uint8 of the same shape."
                )

    def _streams(self, epoch: int, device: torch.device) -> Tensor:
        """Return where the numbers of each column begin in an epoch, copied to a device once."""
        if self._starts is None or self._starts[0] != epoch or self._starts[1].device != device:
            self._starts = epoch, streams(self.seed, epoch, self._columns).to(device)
        return self._starts[1]
