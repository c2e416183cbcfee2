"""Make a network from the user's own backbone, and add the heads."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork, as_size, check_backbone


class OwnBackbone(MultiheadNetwork):
    """A network with the user's own backbone and one linear layer per head.

    The width of the features is measured with one blank image.

    Args:
        backbone: Maps images [B, C, H, W] to features [B, F].
        heads_config: Number of outputs by head name.
        input_channels: C of the images.
        input_size: H and W of the images, or one number for squares.

    Shape:
        images [B, input_channels, H, W] to a dict of logits [B, K] by head name.

    Raises:
        ConfigError: If the backbone does not accept the images, or does not return features
            [B, F].
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
                    f"{made} makes {shapes[0]} from an image, but it must make features [B, F]; "
                    f"end it with nn.Flatten() or a mean over height and width."
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
    """Make a network from a backbone class, or from a function that makes a module.

    Args:
        target: The class or function. It gets `input_channels` and `input_size` if it has such
            arguments; a function also gets `heads_config`.
        derived: `input_channels`, `input_size` and `heads_config`.
        given: Further arguments for the target.

    Returns:
        The network with a layer per head, or the `MultiheadNetwork` that the function made.

    Raises:
        ConfigError: If the target does not make a module, or the module does not turn images into
            features.
    """
    takes = inspect.signature(target).parameters
    left_out = {"heads_config"} if isinstance(target, type) else set()
    filled = {k: v for k, v in derived.items() if k in takes and k not in left_out}
    heads, name = derived.get("heads_config"), getattr(target, "__name__", str(target))
    if heads is None:
        raise ConfigError(
            f"model.net is a {name}, which defines no heads, so they must come from the data; set "
            f"model.auto_configure_from_dataset=true."
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
