"""Copy the backbone weights of another network into a network, as far as they fit.

Tensors are matched by name, and must have the same shape. Where timm can convert weights for its
networks, its functions are used. They convert first convolutions to another number of channels,
position embeddings to another grid, patches to another size, and other naming schemes.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork

# Names of timm's conversion function in the file of a network.
_FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_pretrained")
# This function may raise these for weights of another network.
_REFUSALS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
FITTED, LEFT = "fitted", "left as it was"


@dataclass(frozen=True)
class Fit:
    """The result of the transfer for one tensor.

    Attributes:
        name: Name of the tensor in the backbone.
        what: `fitted`, `left as it was` (the network keeps its new weights) or `not used`.
        why: How it was converted, or why it does not fit; empty if it was copied unchanged.
    """

    name: str
    what: str
    why: str = ""


def transfer(network: MultiheadNetwork, weights: Mapping[str, Tensor]) -> list[Fit]:
    """Copy weights into a network's backbone.

    Args:
        network: The network; its backbone is changed in place, its heads are not.
        weights: Weights of another backbone, by their names in it.

    Returns:
        An entry for each tensor of the backbone, then for each tensor of `weights` not used.

    Raises:
        ConfigError: If no parameter fits, or a value is not finite.
    """
    root = network.loaded_part
    expected, own = root.state_dict(), dict(root.named_parameters())
    converted = _converted(root, weights)
    found: dict[str, Tensor] = {}
    fits: list[Fit] = []
    for name, target in expected.items():
        given, why = _given(root, network.input_channels, name, target, weights, converted)
        if given is None:
            fits.append(Fit(name, LEFT, why))
            continue
        if not torch.isfinite(given).all():
            raise ConfigError(
                f"{name} in the initial weights has values that are not finite; use another file."
            )
        found[name] = given
        fits.append(Fit(name, FITTED, why))
    if not set(found) & set(own):
        here, there = (", ".join(list(names)[:3]) or "nothing" for names in (own, weights))
        raise ConfigError(
            f"none of the initial weights fit the network: it has {here}, ..., but they have "
            f"{there[:200]!a}, ...; choose the network that they belong to."
        )
    with torch.no_grad():
        for name, tensor in expected.items():
            if name in found:
                tensor.copy_(found[name])
    used = {*found, *(n for n in weights if n not in expected and _renamed(weights, converted, n))}
    unused = [name for name in weights if name not in used and name not in expected]
    return fits + [Fit(name, "not used", "the backbone has none of this name") for name in unused]


def adapted_normalisation(
    mean: list[float], std: list[float], channels: int
) -> tuple[list[float], list[float]] | None:
    """Return mean and standard deviation for another number of channels, or None.

    For one channel, they are the averages over all given channels. Values of one channel are
    repeated for all channels. Other combinations give None.
    """
    if len(mean) == channels:
        return mean, std
    if channels == 1:
        return [sum(mean) / len(mean)], [sum(std) / len(std)]
    if len(mean) == 1:
        return mean * channels, std * channels
    return None


def _given(
    root: nn.Module,
    channels: int,
    name: str,
    target: Tensor,
    weights: Mapping[str, Tensor],
    converted: Mapping[str, Tensor],
) -> tuple[Tensor | None, str]:
    """Return the fitting tensor and how it was converted, or None and the reason."""
    given, why = weights.get(name), ""
    if given is None or given.shape != target.shape:
        other = converted.get(name)
        if other is not None and (given is None or other.shape != given.shape):
            why = "renamed" if given is None else f"resampled from {list(given.shape)}"
            given = other
    if given is None:
        return None, "missing there"
    if given.shape != target.shape and name in _first_convolutions(root):
        before = given.shape[1] if given.ndim == 4 else 0
        given = _with_channels(given, target, channels)
        why = f"{before} channels made {target.shape[1]}"
    if given.shape != target.shape:
        return None, f"{list(given.shape)} there, {list(target.shape)} here"
    if given.is_floating_point() != target.is_floating_point() or given.is_complex():
        return None, f"{given.dtype} there, {target.dtype} here".replace("torch.", "")
    return given, why


def _with_channels(given: Tensor, target: Tensor, channels: int) -> Tensor:
    """Return a first convolution's weights for another number of channels, as in timm."""
    if given.ndim != 4 or target.ndim != 4 or given.shape[1] == target.shape[1]:
        return given
    if given.shape[1] == 1:  # trained on grey images: divide the weights among the channels
        return given.expand(-1, target.shape[1], -1, -1) / target.shape[1]
    before = 3 if given.shape[1] % 3 == 0 and target.shape[1] != channels else given.shape[1]
    try:
        from timm.models import adapt_input_conv  # takes half a second to import

        return adapt_input_conv(channels, given, base_chans=before)
    except NotImplementedError:
        return given


def _first_convolutions(root: nn.Module) -> set[str]:
    config: Mapping[str, Any] = getattr(root, "pretrained_cfg", None) or {}
    named = config.get("first_conv")
    if named:
        return {f"{name}.weight" for name in ([named] if isinstance(named, str) else named)}
    convolutions = [n for n, m in root.named_modules() if isinstance(m, nn.Conv2d)]
    return {f"{name}.weight" for name in convolutions[:1]}


def _converted(root: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return weights as converted by timm's function for this network, or an empty mapping."""
    home = vars(sys.modules.get(type(root).__module__, object))
    convert: Callable[..., Any] | None = next((home[n] for n in _FILTERS if n in home), None)
    if convert is None or not type(root).__module__.startswith("timm."):
        return {}
    try:
        made = convert(dict(weights), root)
    except _REFUSALS:
        return {}
    return {str(n): v for n, v in made.items() if isinstance(v, Tensor)}


def _renamed(weights: Mapping[str, Tensor], converted: Mapping[str, Tensor], name: str) -> bool:
    """Return whether timm renamed a tensor."""
    return (
        bool(converted)
        and name not in converted
        and any(weights[name] is tensor for tensor in converted.values())
    )
