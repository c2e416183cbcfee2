"""Any module from images to features as a network: heads are put on it."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork, as_size, check_backbone


class OwnBackbone(MultiheadNetwork):
    """A backbone of a person's own, with one linear layer per head.

    The width of its features is found with one blank image.

    Args:
        backbone: Maps images [B, C, H, W] to features [B, F].
        heads_config: Number of outputs by head name.
        input_channels: C of the images.
        input_size: H and W of the images, or one number for squares.

    Shape:
        images [B, input_channels, H, W] to a dict of logits [B, K] by head name.

    Raises:
        ConfigError: If it does not take such images, or makes anything but features [B, F].
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads_config: Mapping[str, int],
        *,
        input_channels: int,
        input_size: int | tuple[int, int],
    ) -> None:
        size = as_size(input_size)
        made = f"model.net, a {type(backbone).__name__},"
        shapes: list[str] = []

        def look(module: nn.Module, images: Any, features: Any) -> None:
            is_tensor = isinstance(features, Tensor)
            shapes.append(str(list(features.shape)) if is_tensor else type(features).__name__)
            if not is_tensor or features.ndim != 2:
                raise ValueError(shapes[-1])

        handle = backbone.register_forward_hook(look)
        try:
            width = check_backbone(backbone, input_channels, size)
        except ConfigError as error:
            if isinstance(error.__cause__, ValueError) and shapes:
                raise ConfigError(
                    f"{made} makes {shapes[0]} of an image; it must make features [B, F], so end "
                    f"it with nn.Flatten() or a mean over the places."
                ) from error
            raise
        finally:
            handle.remove()
        super().__init__(
            backbone, width, heads_config, input_channels=input_channels, input_size=size
        )


def own_network(
    target: Callable[..., nn.Module], derived: Mapping[str, Any], given: Mapping[str, Any]
) -> MultiheadNetwork:
    """Make a network of a class from images to features, or of a function that makes one.

    Args:
        target: The class or function; `input_channels` and `input_size` are given to it if it
            takes them, `heads_config` to a function that does.
        derived: `input_channels`, `input_size` and `heads_config`.
        given: Arguments for it.

    Returns:
        The network with a layer per head, or a `MultiheadNetwork` that a function made.

    Raises:
        ConfigError: If it makes no module, or one that does not make features of images.
    """
    takes = inspect.signature(target).parameters
    left_out = {"heads_config"} if isinstance(target, type) else set()
    filled = {k: v for k, v in derived.items() if k in takes and k not in left_out}
    heads, name = derived.get("heads_config"), getattr(target, "__name__", str(target))
    if heads is None:
        raise ConfigError(
            f"model.net is a {name}, which has no heads of its own, so they are the "
            f"data's; set model.auto_configure_from_dataset=true."
        )
    backbone = target(**{**filled, **given})
    if isinstance(backbone, MultiheadNetwork):
        return backbone
    if not isinstance(backbone, nn.Module):
        raise ConfigError(
            f"model.net._target_, {name}, makes a {type(backbone).__name__}; it must make a torch "
            f"module from images to features."
        )
    channels, size = derived["input_channels"], derived["input_size"]
    return OwnBackbone(backbone, heads, input_channels=channels, input_size=size)
