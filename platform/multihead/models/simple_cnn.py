"""A small convolutional network for small images: two convolutions and one hidden layer."""

from collections.abc import Mapping

from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork

POOLED = 7


class SimpleCNN(MultiheadNetwork):
    """Two 3x3 convolutions with batch norm and max-pooling, one hidden layer, then the heads.

    It has 422,866 parameters with 1 input channel, 32 and 64 convolution channels, 128 hidden
    units and heads of 10, 5 and 3 classes.

    Args:
        input_channels: Channels of the images.
        conv1_channels: Channels after the first convolution.
        conv2_channels: Channels after the second convolution.
        fc_hidden: Width F of the shared features.
        heads_config: Number of classes by head name; by default one head `digit` of 10 classes.
        dropout: Probability, 0 to 1, of dropping a shared feature (and a hidden unit of a head).
        input_size: Height and width of the images in pixels, or one number for squares.
        head_hidden: Width of a hidden layer in each head; by default there is none.

    Shape:
        images [B, input_channels, H, W] to a dict of logits [B, K] by head name.

    Raises:
        ConfigError: For a width below 1.
    """

    def __init__(
        self,
        input_channels: int = 1,
        conv1_channels: int = 32,
        conv2_channels: int = 64,
        fc_hidden: int = 128,
        heads_config: Mapping[str, int] | None = None,
        dropout: float = 0.25,
        input_size: int | tuple[int, int] = 28,
        head_hidden: int | None = None,
    ) -> None:
        for name, width in (
            ("fc_hidden", fc_hidden),
            ("conv1_channels", conv1_channels),
            ("conv2_channels", conv2_channels),
        ):
            if width < 1:
                raise ConfigError(f"{name} is {width}; it must be 1 or more.")
        backbone = nn.Sequential(
            *_block(input_channels, conv1_channels),
            *_block(conv1_channels, conv2_channels),
            PooledFlatten(),
            nn.Linear(conv2_channels * POOLED * POOLED, fc_hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        super().__init__(
            backbone,
            fc_hidden,
            {"digit": 10} if heads_config is None else heads_config,
            input_channels=input_channels,
            input_size=input_size,
            head_hidden=head_hidden,
            dropout=dropout,
        )


class PooledFlatten(nn.Module):
    """Average to 7x7 and flatten: [B, C, H, W] to [B, C * 49]."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(POOLED)

    def forward(self, x: Tensor) -> Tensor:
        """Average and flatten; maps of 7x7, as from 28x28 images, are only flattened."""
        if x.shape[-2:] != (POOLED, POOLED):
            x = self.pool(x)
        return x.flatten(1)


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    # ReLU is monotone, so pooling before it gives the same values with a quarter of the ReLUs.
    # With ceil_mode, images of any size down to 1x1 are accepted.
    return [
        nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.ReLU(),
    ]
