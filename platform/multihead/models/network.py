"""The base class of all networks: a backbone, then one module per head.

A backbone maps images [B, C, H, W] to features [B, F]; a head maps features to logits
[B, K]. A new network is a subclass that builds its backbone and passes it to this class.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.seeding import drawn_apart


class MultiheadNetwork(nn.Module):
    """A shared backbone with one head per prediction.

    Args:
        backbone: Maps images [B, C, H, W] to features [B, num_features].
        num_features: F, the width of the features.
        heads_config: Number of outputs by head name: one per class or level, 1 for a regression.
        input_channels: C of the images.
        input_size: H and W of the images, or one number for squares.
        head_hidden: Width of one hidden layer in each head; by default there is none.
        dropout: Probability, 0 to 1, of dropping a hidden unit of a head.

    Shape:
        images [B, C, H, W] to a dict of logits [B, K] by head name, in the order of the heads.

    Attributes:
        initial_weights: Arguments of the class that only choose the initial weights. A network
            whose weights come from a checkpoint is built without them.
        initial_images: Number of training images that `initialise_from` gets at most; 0 if it does
            not need any.

    Raises:
        ConfigError: If the heads, `input_size` or `head_hidden` are invalid.
    """

    initial_weights: ClassVar[tuple[str, ...]] = ()
    initial_images: ClassVar[int] = 0

    def __init__(
        self,
        backbone: nn.Module,
        num_features: int,
        heads_config: Mapping[str, int],
        *,
        input_channels: int,
        input_size: int | tuple[int, int],
        head_hidden: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads_config = Heads.from_outputs(heads_config).outputs
        self.input_channels = input_channels
        self.input_size = as_size(input_size)
        self.backbone = backbone
        # The initial weights of a head, and the random numbers of the training, do not depend on
        # the other heads. So networks with some heads in common can be compared.
        base = int(torch.randint(2**62, (), device="cpu"))
        self.heads = nn.ModuleDict()
        for name, count in self.heads_config.items():
            with drawn_apart(base, name):
                head = _head(num_features, count, head_hidden, dropout)
            # The suffix keeps names such as "type" apart from the attributes of a ModuleDict.
            self.heads[f"{name}_head"] = head

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the logits [B, K] of every head for images [B, C, H, W]."""
        return self.from_features(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Return the shared features [B, F] of images [B, C, H, W]."""
        return cast(Tensor, self.backbone(images))

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        """Return the logits [B, K] of every head for features [B, F]."""
        return {name: self.heads[f"{name}_head"](features) for name in self.heads_config}

    def initialise_from(self, images: Tensor) -> None:
        """Set initial weights from normalised training images, float32 [N, C, H, W].

        It is called before a training, and before `model.init_from` loads weights. It is not called
        if the weights come from a checkpoint, or if `initial_images` is 0.
        """

    @property
    def loaded_part(self) -> nn.Module:
        """The part that initial weights are loaded into: the backbone, or a module inside it."""
        return self.backbone

    @property
    def prefix_of_loaded(self) -> str:
        """The prefix of the names of `loaded_part` in the backbone."""
        return ""

    @property
    def published_normalisation(self) -> tuple[list[float], list[float]] | None:
        """Mean and standard deviation per channel for published weights; None without these."""
        return None

    @property
    def normalisation(self) -> tuple[list[float], list[float]] | None:
        """Mean and standard deviation per channel for the initial weights; None if any will do."""
        return None

    def check_images(self, channels: int, size: tuple[int, int]) -> None:
        """Check that images have the shape for which this network was built.

        Args:
            channels: Number of channels.
            size: Height and width in pixels.

        Raises:
            ConfigError: If they have another shape.
        """
        expected = (self.input_channels, *self.input_size)
        if expected != (channels, *size):
            raise ConfigError(
                f"the network takes images of {_shape(expected)}, but the data have "
                f"{_shape((channels, *size))}; remove model.net.input_channels and "
                f"model.net.input_size to have them derived from the data."
            )


def as_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return (height, width); one number means a square.

    Raises:
        ConfigError: If height or width is below 1.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ConfigError(f"input_size is {size}; height and width must be at least 1.")
    return int(height), int(width)


def check_backbone(backbone: nn.Module, channels: int, size: tuple[int, int]) -> int:
    """Run one blank image through a backbone and return the width of its features.

    Raises:
        ConfigError: If the backbone does not accept images of this shape.
    """
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            features = cast(Tensor, backbone(torch.zeros(1, channels, *size)))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"the network does not take images of {_shape((channels, *size))}: {reason}"
        ) from error
    finally:
        backbone.train(was_training)
    return features.shape[1]


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) + " (channels x height x width)"


def _head(features: int, classes: int, hidden: int | None, dropout: float) -> nn.Module:
    if hidden is None:
        return nn.Linear(features, classes)
    if hidden < 1:
        raise ConfigError(f"head_hidden is {hidden}; it must be 1 or more, or null for none.")
    return nn.Sequential(
        nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
    )
