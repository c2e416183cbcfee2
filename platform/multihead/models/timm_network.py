"""A network with any backbone of timm, adapted to small images."""

from collections.abc import Mapping
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork, as_size, check_backbone
from multihead.models.published import check_published, unreachable
from multihead.models.timm_options import check_options

# timm's constructors may raise these for wrong arguments.
_REFUSALS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(OSError, RuntimeError, TypeError, ValueError),
)


class TimmNetwork(MultiheadNetwork):
    """A timm backbone with one linear layer (or a hidden layer) per head.

    Images are padded with zeros on all sides to the next multiple of the backbone's total stride.
    A backbone with a fixed image size (the ViT family) is built for the padded size.

    Args:
        name: A model of `timm.list_models()`, such as resnet18, convnext_atto,
            efficientnet_b0, vit_tiny_patch16_224.
        input_channels: Channels of the images.
        heads_config: Number of classes by head name; by default one head `digit` of 10 classes.
        input_size: Height and width of the images in pixels, or one number for squares.
        pretrained: Start from timm's published weights (downloaded the first time).
        dropout: Probability, 0 to 1, of dropping a feature before the heads.
        head_hidden: Width of a hidden layer in each head; by default there is none.
        options: Further arguments of timm's constructor that define the architecture, such as
            `{patch_size: 4}`; see `timm_options`.
        drop_path_rate: Stochastic depth: probability, 0 to below 1, of skipping the last block for
            an image. As in timm, earlier blocks have smaller probabilities. Source: Huang et al.,
            Deep networks with stochastic depth, ECCV 2016, arXiv:1603.09382.

    Shape:
        images [B, input_channels, H, W] to a dict of logits [B, K] by head name.

    Raises:
        ConfigError: For a name that timm does not know, for options that are not allowed, or for
            images that the backbone does not accept.
    """

    initial_weights = ("pretrained",)

    def __init__(
        self,
        name: str,
        input_channels: int = 1,
        heads_config: Mapping[str, int] | None = None,
        input_size: int | tuple[int, int] = 28,
        pretrained: bool = False,
        dropout: float = 0.0,
        head_hidden: int | None = None,
        options: Mapping[str, Any] | None = None,
        drop_path_rate: float | None = None,
    ) -> None:
        _check_name(name)
        check_options(options or {})
        if drop_path_rate is not None:
            options = {**(options or {}), "drop_path_rate": _share(drop_path_rate)}
        size = as_size(input_size)
        settings = {
            "in_chans": input_channels,
            "num_classes": 0,
            "pretrained": pretrained,
            "drop_rate": dropout,
            **(options or {}),
        }
        stride = _total_stride(name, settings)
        padded = (_next_multiple(size[0], stride), _next_multiple(size[1], stride))
        if _fixed_size(name):
            settings["img_size"] = padded
        backbone = nn.Sequential(PadTo(padded), _create(name, settings))
        super().__init__(
            backbone,
            check_backbone(backbone, input_channels, size),
            {"digit": 10} if heads_config is None else heads_config,
            input_channels=input_channels,
            input_size=size,
            head_hidden=head_hidden,
            dropout=dropout,
        )

        self.pretrained = pretrained

    @property
    def loaded_part(self) -> nn.Module:
        """The timm network without the padding."""
        return cast(nn.Sequential, self.backbone)[1]

    @property
    def prefix_of_loaded(self) -> str:
        """The prefix of timm's names in the backbone."""
        return "1."

    @property
    def published_normalisation(self) -> tuple[list[float], list[float]] | None:
        """Mean and standard deviation per channel of the images of timm's published weights."""
        config = cast(Mapping[str, Any], self.loaded_part.pretrained_cfg)
        return list(config["mean"]), list(config["std"])

    @property
    def normalisation(self) -> tuple[list[float], list[float]] | None:
        """`published_normalisation` if the network started from published weights, else None."""
        return self.published_normalisation if self.pretrained else None


class PadTo(nn.Module):
    """Pad images with zeros on all sides: [B, C, h, w] to [B, C, H, W].

    Args:
        size: H and W, in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Return the padded images; images of the right size are unchanged."""
        down, across = self.size[0] - images.shape[-2], self.size[1] - images.shape[-1]
        if down == across == 0:
            return images
        top, left = down // 2, across // 2
        return functional.pad(images, (left, across - left, top, down - top))


def _share(rate: float) -> float:
    if not 0 <= rate < 1:
        raise ConfigError(f"model.net.drop_path_rate is {rate}; give 0 to below 1.")
    return rate


def _check_name(name: str) -> None:
    # A name with a scheme ("hf-hub:...") would make timm download from a hub.
    if str(name).split(".")[0] in timm.list_models():
        return
    word = str(name)[:80]
    near = timm.list_models(f"*{word}*")[:3] if word.replace("_", "").isalnum() else []
    hint = f"similar: {', '.join(near)}" if near else "timm.list_models() lists all names"
    raise ConfigError(f"model.net.name is {word!a}, which timm does not know; {hint}.")


def _create(name: str, settings: Mapping[str, Any]) -> nn.Module:
    if settings["pretrained"]:
        check_published(name)
    try:
        return timm.create_model(name, **settings)
    except _REFUSALS as error:
        if settings["pretrained"] and isinstance(error, OSError):
            raise unreachable(name) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"timm cannot build {name!r} with {dict(settings)}: {reason}") from error


def _total_stride(name: str, settings: Mapping[str, Any]) -> int:
    with torch.device("meta"):  # shapes only, without memory and random numbers
        probe = _create(name, {**settings, "pretrained": False})
    info = cast(list[dict[str, int]], probe.feature_info)
    return info[-1]["reduction"]


def _fixed_size(name: str) -> bool:
    config = timm.get_pretrained_cfg(name.split(".")[0])
    return bool(config is not None and config.fixed_input_size)


def _next_multiple(length: int, stride: int) -> int:
    return max(stride, -(-length // stride) * stride)
