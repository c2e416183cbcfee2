"""Check that a network fits the data, and find the heads that it trains."""

from torch import nn

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.models.network import MultiheadNetwork


def fitting_heads(net: nn.Module, data: MultiheadDataModule, *, from_data: bool) -> Heads:
    """Return the heads that a network trains on some data.

    Args:
        net: The network.
        data: The data to train on.
        from_data: Whether the network must have all heads of the data. If false, it may have some.

    Raises:
        ConfigError: If the network's heads or image shape do not match the data.
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
