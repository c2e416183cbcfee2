"""Which layer of a backbone a parameter belongs to, counted from the images on.

timm says it of its own networks, by a matcher of names: each block is a layer, and each stage of
blocks a coarse one. Of any other network the children of its backbone are the layers; a child
without a matrix of weights, such as a norm, belongs to the one before it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from timm.models import group_parameters
from torch import Tensor, nn


def layer_numbers(backbone: nn.Module, *, coarse: bool) -> dict[str, int]:
    """Return the number of the layer of every parameter and buffer of a backbone, by its name.

    Args:
        backbone: Images to features.
        coarse: Count stages instead of single blocks, where timm tells them apart.
    """
    for prefix, part in backbone.named_modules():
        matcher = getattr(part, "group_matcher", None)
        if callable(matcher):
            found = _by_matcher(part, matcher, f"{prefix}." if prefix else "", coarse=coarse)
            after = count_layers(found)  # what a person put around a network of timm's
            return {name: found.get(name, after) for name, _ in _named(backbone)}
    return _by_children(backbone)


def count_layers(numbers: Mapping[str, int]) -> int:
    """Return how many layers there are."""
    return max(numbers.values(), default=-1) + 1


def is_norm_or_bias(name: str, parameter: Tensor) -> bool:
    """Return whether a parameter is one that weight decay is often kept from."""
    return parameter.ndim <= 1 or name.endswith(".bias")


def not_decayed(backbone: nn.Module) -> set[str]:
    """Return the names that timm keeps from weight decay besides, such as position embeddings."""
    found: set[str] = set()
    for prefix, part in backbone.named_modules():
        names: Callable[[], Iterable[str]] | None = getattr(part, "no_weight_decay", None)
        if callable(names):
            found |= {f"{prefix}.{name}" if prefix else name for name in names()}
    return found


def _by_matcher(
    part: nn.Module, matcher: Callable[..., Any], prefix: str, *, coarse: bool
) -> dict[str, int]:
    found = group_parameters(part, matcher(coarse=coarse), reverse=True)
    numbers = {name: int(number) for name, number in found.items()}
    numbers |= {name: _beside(name, numbers) for name, _ in part.named_buffers()}
    return {f"{prefix}{name}": number for name, number in numbers.items()}


def _beside(buffer: str, numbers: Mapping[str, int]) -> int:
    """Return the layer of the parameters that are nearest to a buffer: of its module, or around."""
    place = buffer
    while place:
        place = place.rpartition(".")[0]
        for name, number in numbers.items():
            if not place or name.startswith(f"{place}."):
                return number
    return 0


def _by_children(backbone: nn.Module) -> dict[str, int]:
    inner, prefix = backbone, ""
    while len(children := list(inner.named_children())) == 1 and not list(inner.parameters(False)):
        prefix, inner = f"{prefix}{children[0][0]}.", children[0][1]
    numbers: dict[str, int] = {}
    number = -1
    for name, child in inner.named_children():
        named = _named(child)
        if number < 0 or any(tensor.ndim > 1 for _, tensor in child.named_parameters()):
            number += bool(named)
        numbers |= {f"{prefix}{name}.{rest}": max(number, 0) for rest, _ in named}
    own = [*inner.named_parameters(recurse=False), *inner.named_buffers(recurse=False)]
    return numbers | {f"{prefix}{name}": 0 for name, _ in own}


def _named(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]
