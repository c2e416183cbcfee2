"""The LeNet that papers on multi-task learning use for MultiMNIST."""

from collections.abc import Mapping

from torch import nn

from multihead.models.network import MultiheadNetwork, as_size, check_backbone

FEATURES = 50


class MultiLeNet(MultiheadNetwork):
    """Two 5x5 convolutions and a hidden layer of 50 units, plus such a layer in each head.

    Source: O. Sener and V. Koltun, Multi-Task Learning as Multi-Objective Optimization, NeurIPS
    2018, section 5.1: all layers except the last two are shared. In training, their code multiplies
    the second convolution's channels and the heads' hidden units by 0 or 1, with one draw for a
    whole batch. This network uses standard dropout, drawn per image and scaled by 1 / (1 - p).

    It has 27,450 parameters with 1 input channel of 28x28 pixels and two heads of 10 classes.

    Args:
        input_channels: Channels of the images.
        heads_config: Number of classes by head name; by default `left` and `right` of 10 classes.
        input_size: Height and width of the images in pixels, or one number for squares.
        dropout: Probability, 0 to 1, of dropping a channel or a hidden unit of a head.

    Shape:
        images [B, input_channels, H, W] to a dict of logits [B, K] by head name.

    Raises:
        ConfigError: For images of less than 16x16 pixels.
    """

    def __init__(
        self,
        input_channels: int = 1,
        heads_config: Mapping[str, int] | None = None,
        input_size: int | tuple[int, int] = 28,
        dropout: float = 0.5,
    ) -> None:
        height, width = as_size(input_size)
        pooled = _pooled(height) * _pooled(width)
        backbone = nn.Sequential(
            nn.Conv2d(input_channels, 10, kernel_size=5),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(10, 20, kernel_size=5),
            nn.Dropout2d(dropout),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(20 * max(pooled, 1), FEATURES),
            nn.ReLU(),
        )
        super().__init__(
            backbone,
            check_backbone(backbone, input_channels, (height, width)),
            {"left": 10, "right": 10} if heads_config is None else heads_config,
            input_channels=input_channels,
            input_size=(height, width),
            head_hidden=FEATURES,
            dropout=dropout,
        )


def _pooled(side: int) -> int:
    """Return the length of a side in pixels after two convolutions and two poolings."""
    return ((side - 4) // 2 - 4) // 2
