"""Make the criterion of a head."""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from multihead.errors import ConfigError, MultiheadError, message_of
from multihead.heads.head import Head

# A module, or a callable that makes one for a head: a class, a partial or a function.
Criterion = nn.Module | Callable[[Head], nn.Module]


def make_criterion(
    criterion: Criterion | None, head: Head, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return the criterion of a head.

    Args:
        criterion: A module, or a callable that makes one from the head; None for the default of the
            head's kind.
        head: The head.
        options: Further arguments by name, such as `pos_weight`.

    Raises:
        ConfigError: If the criterion does not suit the head, does not take an option, or is not a
            module.
    """
    given = dict(options or {})
    if isinstance(criterion, nn.Module):
        return _adjusted(criterion, head, given) if given else criterion
    if criterion is not None and not callable(criterion):
        raise ConfigError(
            f"model.criteria.{head.name} is {criterion!r:.100}; give a mapping with _target_."
        )
    make: Callable[..., nn.Module] = head.kind.criterion if criterion is None else criterion
    if given:
        name = f"that of its kind, {head.kind.name}" if criterion is None else _name(make)
        _check_taken(given, list(inspect.signature(make).parameters), head, name)
    if criterion is None:
        return make(head, **given)
    try:
        made = make(head, **given)
    except MultiheadError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"the criterion of head {head.name!r} cannot be made for it: {message_of(error)}"
        ) from error
    if not isinstance(made, nn.Module):
        raise ConfigError(
            f"the criterion of head {head.name!r} makes a {type(made).__name__}; it must make a "
            f"torch module."
        )
    return made


def _adjusted(criterion: nn.Module, head: Head, options: Mapping[str, Any]) -> nn.Module:
    """Return a copy of a module with options set as attributes.

    Torch's losses store their arguments in attributes of the same names.
    """
    name = type(criterion).__name__
    _check_taken(options, [option for option in options if hasattr(criterion, option)], head, name)
    adjusted = copy.deepcopy(criterion)
    for option, value in options.items():
        own = getattr(criterion, option)
        if own is not None and (isinstance(own, torch.Tensor) or own != 0):
            raise ConfigError(
                f"model.{option} and the criterion of head {head.name!r}, {name}, both have "
                f"{option}; keep one."
            )
        tensor = option in criterion._buffers  # also if its value is None
        setattr(adjusted, option, torch.tensor(value, dtype=torch.float32) if tensor else value)
    return adjusted


def _check_taken(options: Mapping[str, Any], taken: list[str], head: Head, name: str) -> None:
    for option in options:
        if option not in taken:
            raise ConfigError(
                f"model.{option} names head {head.name!r}, but its criterion, {name}, does not "
                f"take {option} from there; remove it, or choose another criterion."
            )


def _name(make: Callable[..., nn.Module]) -> str:
    plain = getattr(make, "func", make)
    return str(getattr(plain, "__name__", type(plain).__name__))
