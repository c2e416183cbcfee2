"""Average the weights of several networks of the same architecture.

Source: Wortsman et al., Model soups, ICML 2022, arXiv:2203.05482.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from multihead.training.batch_norm import batch_norms

Weights = Mapping[str, Tensor]


def first_difference(one: Weights, other: Weights) -> str | None:
    """Return the first difference of two networks' names and shapes of weights, or None."""
    for name, tensor in one.items():
        if name not in other:
            return f"{name} is {list(tensor.shape)} in the first, but missing in the second"
        if other[name].shape != tensor.shape:
            shapes = f"{list(tensor.shape)} in the first, but {list(other[name].shape)}"
            return f"{name} is {shapes} in the second"
    extra = [name for name in other if name not in one]
    return f"{extra[0]} is missing in the first" if extra else None


def averaged(networks: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of weights by name; a single network is returned unchanged.

    Integer tensors, such as the batch counters of batch norm, are taken from the first network.

    Args:
        networks: One or more networks' weights, with the same names and shapes.
    """
    if len(networks) == 1:
        return dict(networks[0])
    found = {}
    for name, first in networks[0].items():
        if first.is_floating_point():  # in float64, so that the order does not matter
            total = torch.stack([each[name].double() for each in networks])
            found[name] = total.mean(0).to(first.dtype)
        else:
            found[name] = first.clone()
    return found


def needs_statistics(net: nn.Module, networks: Sequence[Weights]) -> bool:
    """Return whether the batch norm statistics of an average must be computed again.

    This is not needed if the statistics are equal in all networks, as in frozen layers.

    Args:
        net: A network of this architecture.
        networks: The averaged networks' weights, by the names that `net` has.
    """
    layers = {id(layer) for layer in batch_norms(net)}
    names = [name for name, layer in net.named_modules() if id(layer) in layers]
    buffers = [f"{name}.{kept}" for name in names for kept in ("running_mean", "running_var")]
    first, *others = networks
    return any(not first[b].equal(each[b]) for b in buffers if b in first for each in others)


def recompute_statistics(net: nn.Module, batches: Iterable[Any], device: torch.device) -> None:
    """Compute the statistics of batch norm again, with one pass over training batches.

    The random seed is fixed, so dropout before a batch norm draws the same numbers each time.

    Args:
        net: The network; it is changed in place and returns to its own device.
        batches: Batches whose first element is images [B, C, H, W].
        device: The device of the pass.
    """
    home = next(net.parameters()).device
    with torch.random.fork_rng():
        torch.manual_seed(0)
        update_bn(batches, net.to(device), device)
    net.to(home)
