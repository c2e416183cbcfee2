"""Assign each parameter of a backbone to a layer or stage, counted from the input.

timm's networks define this with a matcher of names: each block is a layer, and each stage of blocks
is a stage. In other networks, each child of the backbone is a layer. A child without a weight
matrix, such as a norm, belongs to the layer before it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn


def layer_numbers(backbone: nn.Module, *, coarse: bool) -> dict[str, int]:
    """Return the layer number of every parameter and buffer of a backbone, by its name.

    Args:
        backbone: Maps images to features.
        coarse: Count stages instead of blocks, in networks of timm.

    Returns:
        Numbers from 0 on.
    """
    for prefix, part in backbone.named_modules():
        matcher = getattr(part, "group_matcher", None)
        if callable(matcher):
            found = _by_matcher(part, matcher, f"{prefix}." if prefix else "", coarse=coarse)
            after = count_layers(found)  # for modules outside the timm network
            return {name: found.get(name, after) for name, _ in _named(backbone)}
    return _by_children(backbone)


def stages_of(backbone: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of each stage by name, in the order of the backbone.

    Stages are the layers of `layer_numbers` with `coarse=True`. A stage has the name of its first
    module with a weight matrix, such as `layer1` in a ResNet or `stages_0` in a ConvNeXt. If this
    name is a number, the module's class is added, such as `4_conv2d`.

    Args:
        backbone: Maps images to features.
    """
    numbers = layer_numbers(backbone, coarse=True)
    parameters = dict(backbone.named_parameters())
    members: dict[int, list[str]] = {}
    for name in parameters:
        members.setdefault(numbers[name], []).append(name)
    paths = [
        tuple(_naming(members[number], parameters).split(".")[:-1]) for number in sorted(members)
    ]
    names = [_short(path, paths, backbone) for path in paths]
    return {
        name: [parameters[each] for each in members[number]]
        for name, number in zip(names, sorted(members), strict=True)
    }


def count_layers(numbers: Mapping[str, int]) -> int:
    """Return the number of layers."""
    return max(numbers.values(), default=-1) + 1


def is_norm_or_bias(name: str, parameter: Tensor) -> bool:
    """Return whether a parameter is a norm or bias, which often have no weight decay."""
    return parameter.ndim <= 1 or name.endswith(".bias")


def not_decayed(backbone: nn.Module) -> set[str]:
    """Return the further names that timm excludes from weight decay, as position embeddings."""
    found: set[str] = set()
    for prefix, part in backbone.named_modules():
        names: Callable[[], Iterable[str]] | None = getattr(part, "no_weight_decay", None)
        if callable(names):
            found |= {f"{prefix}.{name}" if prefix else name for name in names()}
    return found


def _by_matcher(
    part: nn.Module, matcher: Callable[..., Any], prefix: str, *, coarse: bool
) -> dict[str, int]:
    from timm.models import group_parameters  # takes half a second to import

    found = group_parameters(part, matcher(coarse=coarse), reverse=True)
    numbers = {name: int(number) for name, number in found.items()}
    numbers |= {name: _beside(name, numbers) for name, _ in part.named_buffers()}
    return {f"{prefix}{name}": number for name, number in numbers.items()}


def _beside(buffer: str, numbers: Mapping[str, int]) -> int:
    """Return the layer of a buffer: that of a parameter in the same or the next outer module."""
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


def _naming(names: Sequence[str], parameters: Mapping[str, Tensor]) -> str:
    """Return the parameter that names a stage: the first matrix inside a module."""
    inner = [name for name in names if "." in name] or list(names)
    return next((name for name in inner if parameters[name].ndim > 1), inner[0])


def _short(path: Sequence[str], paths: Sequence[Sequence[str]], backbone: nn.Module) -> str:
    """Return the shortest part of a module's path that distinguishes it from the others."""
    common = 0
    while len(paths) > 1 and len({tuple(each[: common + 1]) for each in paths}) == 1:
        common += 1
    end = common + 1
    while end < len(path) and sum(each[:end] == path[:end] for each in paths) > 1:
        end += 1
    short = "_".join(path[common:end]) or "stem"
    kind = type(backbone.get_submodule(".".join(path[:end]))).__name__.lower()
    return f"{short}_{kind}" if short.isdecimal() else short
