"""One network from several of the same architecture: the mean of their weights.

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
    """Return in what the shapes of two networks' weights differ first, or None if in nothing."""
    for name, tensor in one.items():
        if name not in other:
            return f"{name} is {list(tensor.shape)} in the first, but missing in the second"
        if other[name].shape != tensor.shape:
            shapes = f"{list(tensor.shape)} in the first, but {list(other[name].shape)}"
            return f"{name} is {shapes} in the second"
    extra = [name for name in other if name not in one]
    return f"{extra[0]} is missing in the first" if extra else None


def averaged(networks: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of weights, by name; one network alone comes back as it is.

    Whole numbers, such as how many batches a batch norm has seen, are those of the first network.

    Args:
        networks: One or more, of the same names and shapes.
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
    """Tell whether an average has batch norm whose statistics are of none of its networks.

    Not if they are the same in all of them: these layers were frozen.

    Args:
        net: Of the architecture of the networks.
        networks: Their weights, by the names that `net` has.
    """
    layers = {id(layer) for layer in batch_norms(net)}
    names = [name for name, layer in net.named_modules() if id(layer) in layers]
    buffers = [f"{name}.{kept}" for name in names for kept in ("running_mean", "running_var")]
    first, *others = networks
    return any(not first[b].equal(each[b]) for b in buffers if b in first for each in others)


def recompute_statistics(net: nn.Module, batches: Iterable[Any], device: torch.device) -> None:
    """Measure the statistics of batch norm anew, by one pass over training batches.

    Dropout before a batch norm draws the same numbers each time.

    Args:
        net: Is changed; it stays where it is.
        batches: Images [B, C, H, W] first.
        device: Where the pass is made.
    """
    home = next(net.parameters()).device
    with torch.random.fork_rng():
        torch.manual_seed(0)
        update_bn(batches, net.to(device), device)
    net.to(home)
