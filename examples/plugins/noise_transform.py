"""A transform: sensor noise with a random strength per training image."""

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from multihead.data.transforms import Alteration
from multihead.data.transforms.random_numbers import Table, uniform
from multihead.errors import ConfigError


class Noise(Alteration):
    """Add normal noise to every pixel.

    A transform must not draw random numbers itself. It receives random numbers for each sample. So
    resumed training, and training on several devices, sees the same images. The first number of a
    sample is the strength of its noise. The second one is the seed for its pixels.

    Args:
        most: The largest standard deviation in grey levels, 0 to 128. Each image has its own
            standard deviation, from 0 to this value.

    Raises:
        ConfigError: If `most` is outside its range.
    """

    name = "noise"  # the name in a head's `breaks`
    numbers = 2

    def __init__(self, most: float = 20.0) -> None:
        if not 0 <= most <= 128:
            raise ConfigError(f"noise.most is {most:g}; give 0 to 128.")
        self.most = most
        # Quantiles of the normal distribution. A table gives the same values on all devices.
        shares = (np.arange(4096) + 0.5) / 4096
        self._normal = Table(norm.ppf(shares).astype(np.float32))

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return noisy images, uint8 [B, C, H, W]."""
        places = torch.arange(images[0].numel() if len(images) else 0, device=images.device)
        starts = (numbers[:, 1] * 2**24).long()  # uses all bits of the number
        noise = self._normal(uniform(places, starts)).view_as(images)
        strength = (self.most * numbers[:, 0]).view(-1, 1, 1, 1)
        return (images + strength * noise).round().clamp(0, 255).to(torch.uint8)
