"""Give a network the backbone's weights of another one, as far as they fit.

Names decide what belongs to what, and shapes whether it fits. Where timm knows how to make weights
fit its network, it does: first convolutions for another number of channels, position embeddings for
another grid, patches of another size, layouts of other code.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.models.network import MultiheadNetwork

# What timm calls its function for layouts of other code and other sizes, in a network's own file.
_FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_pretrained")
# What that raises for weights that are no network's.
_REFUSALS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
FITTED, LEFT = "fitted", "left as it was"


@dataclass(frozen=True)
class Fit:
    """What became of one tensor.

    Attributes:
        name: Of the tensor, in the backbone.
        what: `fitted`, `left as it was` (the network keeps its new weights) or `not used`.
        why: How it was made to fit, or why it did not; empty if it simply did.
    """

    name: str
    what: str
    why: str = ""


def transfer(network: MultiheadNetwork, weights: Mapping[str, Tensor]) -> list[Fit]:
    """Put weights into a network's backbone.

    Args:
        network: Changed in place; its heads are left as they are.
        weights: Of another backbone, by their names in it.

    Returns:
        A line for each tensor of the backbone, then for each of `weights` that is not used.

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
                f"{name} in the weights to start from has values that are not finite."
            )
        found[name] = given
        fits.append(Fit(name, FITTED, why))
    if not set(found) & set(own):
        here, there = (", ".join(list(names)[:3]) or "nothing" for names in (own, weights))
        raise ConfigError(
            f"none of the weights to start from fit the network: it has {here}, ..., they have "
            f"{there[:200]!a}, ...; choose the network that they are of."
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
    """Return mean and deviation for another number of channels; None where there is no sense in it.

    One channel gets the means of all; of one, all channels get its own.
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
    """Return what fits a tensor, and how it was made to; None and why if nothing does."""
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
    """Return weights of a first convolution for another number of channels, as timm makes them."""
    if given.ndim != 4 or target.ndim != 4 or given.shape[1] == target.shape[1]:
        return given
    if given.shape[1] == 1:  # of grey: each channel has its share
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
    """Return weights as timm makes them fit, by the function in the file of its network."""
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
    """Return whether a tensor went on under another name."""
    return (
        bool(converted)
        and name not in converted
        and any(weights[name] is tensor for tensor in converted.values())
    )
