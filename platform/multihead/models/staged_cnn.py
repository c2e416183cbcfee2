"""A convolutional network in stages that trains fast on small images."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork, as_size, check_backbone


class StagedCNN(MultiheadNetwork):
    """Stages of two 3x3 convolutions; each stage halves the image.

    This is the network of K. Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024,
    arXiv:2404.00498, but without the whitened first layer (`WhitenedCNN` has it), and with a
    trained scale in the batch norms. A global max-pooling makes the features.

    It has 1.15 million parameters before the heads with 3 input channels and widths of 64, 128 and
    256.

    Args:
        input_channels: Channels of the images.
        widths: Channels of each stage, 1 or more; at least one stage.
        heads_config: Number of outputs by head name; by default `digit` of 10 classes.
        input_size: Height and width of the images in pixels, or one number for squares.
        dropout: Probability, 0 to 1, of dropping a shared feature.
        mirrored: In evaluation mode, average the features of the image and of its mirror image. No
            head can then distinguish left from right.

    Shape:
        images [B, input_channels, H, W] to a dict of logits [B, K] by head name.

    Attributes:
        lost_pixels: By how many pixels the layers before the first stage shrink an image.

    Raises:
        ConfigError: For a width below 1, or if the images are too small for the stages.
    """

    lost_pixels: ClassVar[int] = 0

    def __init__(
        self,
        input_channels: int = 3,
        widths: Sequence[int] = (64, 128, 256),
        heads_config: Mapping[str, int] | None = None,
        input_size: int | tuple[int, int] = 32,
        dropout: float = 0.0,
        mirrored: bool = False,
    ) -> None:
        if not widths or min(widths) < 1:
            raise ConfigError(
                f"model.net.widths is {list(widths)}; give the channels of each stage, "
                f"such as [64, 128, 256]."
            )
        size = as_size(input_size)
        if (min(size) - self.lost_pixels) >> len(widths) < 1:
            raise ConfigError(
                f"model.net.widths has {len(widths)} stages, each of which halves an image, but "
                f"the images are {size[0]} x {size[1]}; give fewer stages."
            )
        backbone = nn.Sequential(
            *self.stages(input_channels, widths),
            *(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(dropout)),
        )
        super().__init__(
            backbone,
            check_backbone(backbone, input_channels, size),
            {"digit": 10} if heads_config is None else heads_config,
            input_channels=input_channels,
            input_size=size,
        )
        self.mirrored = mirrored

    @staticmethod
    def stages(channels: int, widths: Sequence[int]) -> list[nn.Module]:
        """Return the layers before the pooling, for images of a number of channels."""
        return [Stage(a, b) for a, b in pairwise([channels, *widths])]

    def features(self, images: Tensor) -> Tensor:
        """Return the shared features [B, F] of images [B, C, H, W]."""
        features = super().features(images)
        if self.mirrored and not self.training:
            features = (features + super().features(images.flip(3))) / 2
        return features


class Stage(nn.Module):
    """[B, C, H, W] to [B, width, H // 2, W // 2].

    Args:
        channels: C.
        width: Channels of both convolutions.
        norm: Makes a batch norm of `width` channels.
    """

    def __init__(
        self, channels: int, width: int, norm: Callable[[int], nn.Module] = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            norm(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            norm(width),
            nn.GELU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the result of the two convolutions."""
        out: Tensor = self.layers(images)
        return out
