"""Turn lists of a configuration into tensors for arguments such as `weight` of a torch loss."""

import inspect
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def wants_tensor(hint: Any) -> bool:
    """Return whether a type hint is a tensor, or a tensor or None.

    It is false if a number is allowed too, such as for a learning rate. A tensor would have fewer
    digits, and all groups of an optimizer would share it.
    """
    options = (hint, *typing.get_args(hint))
    return not any(each in (float, int) for each in options) and any(
        isinstance(each, type) and (each.__module__, each.__name__) == ("torch", "Tensor")
        for each in options
    )


def is_tensor_like(value: Any) -> bool:
    """Return whether a value is a number or a non-empty list of numbers."""
    values = value if isinstance(value, list | tuple) else [value]
    return bool(values) and all(type(each) in (int, float) for each in values)


def as_tensor(value: Any) -> "Tensor":
    """Return numbers as a float32 tensor."""
    import torch

    return torch.tensor(value, dtype=torch.float32)


def with_tensors(node: Any, locate: typing.Callable[[object, str], Any]) -> Any:
    """Return a node in which numbers become tensors for arguments that want a tensor.

    Args:
        node: A node of a configuration; nodes inside it are changed as well.
        locate: Returns the class that a `_target_` names.
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
