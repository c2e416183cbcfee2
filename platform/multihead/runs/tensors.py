"""Lists of a configuration where a class wants a tensor, such as `weight` of a loss of torch's."""

import inspect
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def wants_tensor(hint: Any) -> bool:
    """Return whether a type hint is a tensor, or a tensor or None.

    Where a number will do, such as a learning rate, it stays one: a tensor would have less digits,
    and all groups of an optimizer would have the same one, changed in place.
    """
    options = (hint, *typing.get_args(hint))
    return not any(each in (float, int) for each in options) and any(
        isinstance(each, type) and (each.__module__, each.__name__) == ("torch", "Tensor")
        for each in options
    )


def is_tensor_like(value: Any) -> bool:
    """Return whether a value is a number, or a list of numbers, that a tensor can be made of."""
    values = value if isinstance(value, list | tuple) else [value]
    return bool(values) and all(type(each) in (int, float) for each in values)


def as_tensor(value: Any) -> "Tensor":
    """Return numbers as a float32 tensor."""
    import torch

    return torch.tensor(value, dtype=torch.float32)


def with_tensors(node: Any, locate: typing.Callable[[object, str], Any]) -> Any:
    """Return a node of a configuration in which numbers become tensors where these are wanted.

    Args:
        node: Nodes inside it are changed alike.
        locate: Finds what a `_target_` names.
    """
    if isinstance(node, list):
        return [with_tensors(each, locate) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {key: with_tensors(value, locate) for key, value in node.items()}
    if "_target_" not in node:
        return inner
    hints = _hints(locate(node["_target_"], "_target_"))
    return {
        key: {"_target_": f"{__name__}.{as_tensor.__name__}", "value": value}
        if wants_tensor(hints.get(key)) and is_tensor_like(value)
        else value
        for key, value in inner.items()
    }


def _hints(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (TypeError, NameError, AttributeError):
        return {}
