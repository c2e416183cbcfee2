"""Backbones of a person's own, who knows nothing of ours."""

from torch import Tensor, nn


class Small(nn.Module):
    """Images to 12 features."""

    def __init__(self, width: int = 12, input_channels: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(input_channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, width]."""
        features: Tensor = self.norm(self.stem(images)).relu().mean((2, 3))
        return features


class Maps(nn.Module):
    """Images to maps, which are no features."""

    def forward(self, images: Tensor) -> Tensor:
        """Return what it is given."""
        return images


def make_small(width: int, input_channels: int) -> nn.Module:
    """Return a network as a function makes it."""
    return Small(width, input_channels)


def make_nothing(width: int) -> int:
    """Return what is no module."""
    return width


def make_mistake(width: int) -> nn.Module:
    """Look for what is not there."""
    return {}["net"]  # type: ignore[no-any-return]
