"""Make a sampler or pruner of Optuna from the name and arguments in a study's file."""

import inspect
import operator
import warnings
from collections.abc import Callable, Collection
from functools import reduce
from typing import Any, TypeVar

import optuna
from pydantic import TypeAdapter, ValidationError

from multihead.errors import ConfigError, message_of
from multihead.studies.findings import wanted, yaml_value
from multihead.text import nearest

T = TypeVar("T")
_PLAIN = {"int": int, "float": float, "bool": bool, "str": str, "None": None}


def check_name(kind: str, name: object, names: Collection[str]) -> None:
    """Check that a name is known.

    Raises:
        ConfigError: If not. The message gives the nearest name and all names.
    """
    if name not in names:
        raise ConfigError(
            f"{kind} is {name!r}{nearest(str(name), names)}; choose one of: {', '.join(names)}."
        )


def make(kind: str, name: str, maker: Callable[..., T], **arguments: object) -> T:
    """Make an object of an Optuna class, without the warning that the class is experimental.

    Raises:
        ConfigError: If the class refuses the arguments.
    """
    for key, parameter in inspect.signature(maker).parameters.items():
        if key in arguments:
            _check(f"{kind}.{key}", arguments[key], _plain(parameter.annotation))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return maker(**arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{kind} {name} refuses its arguments: {message_of(error)}"
            ) from error


def _check(path: str, value: object, hint: Any) -> None:
    """Refuse a value that Optuna's class would take, and stumble over in the first trial."""
    try:
        TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{path} is {yaml_value(value)}: {wanted(error.errors())}.") from error
    if isinstance(value, int) and value < 0 and ".n_" in path:
        raise ConfigError(f"{path} is {value}: give 0 or more.")


def _plain(annotation: Any) -> Any:
    """Return the type of a parameter if it is one that YAML has, and else any."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    names = [name.strip() for name in text.split("|")]
    if not all(name in _PLAIN for name in names):
        return Any
    first, *others = [_PLAIN[name] for name in names]
    return reduce(operator.or_, others, first)
