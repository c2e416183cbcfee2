"""Whether a network fits the data, and which heads it trains."""

from torch import nn

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.models.network import MultiheadNetwork


def fitting_heads(net: nn.Module, data: MultiheadDataModule, *, from_data: bool) -> Heads:
    """Return the heads that a network trains on some data.

    Args:
        net: The network.
        data: What it is to be trained on.
        from_data: Whether its heads must be all of the data's; else they are some of them.

    Raises:
        ConfigError: If its heads or images are not those of the data.
    """
    if not isinstance(net, MultiheadNetwork):
        raise ConfigError(f"model.net is a {type(net).__name__}; it must be a MultiheadNetwork.")
    channels, height, width = data.image_shape
    net.check_images(channels, (height, width))
    if from_data:
        if net.heads_config != data.num_classes:
            raise ConfigError(
                f"the network has the heads {net.heads_config}, but the data have "
                f"{data.num_classes}; remove model.net.heads_config to have it derived."
            )
        return data.heads
    for name, count in net.heads_config.items():
        if data.num_classes.get(name) != count:
            raise ConfigError(
                f"the network has the head {name!r} with {count} classes, but the data have "
                f"{data.num_classes}; change model.net.heads_config or data.heads."
            )
    return Heads(data.heads[name] for name in net.heads_config)
