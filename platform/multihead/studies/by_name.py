"""Make an object of Optuna's from the name and the arguments that a study's file gives."""

import warnings
from collections.abc import Callable, Collection
from typing import TypeVar

import optuna

from multihead.errors import ConfigError, message_of
from multihead.text import nearest

T = TypeVar("T")


def check_name(kind: str, name: object, names: Collection[str]) -> None:
    """Refuse a name that is not there.

    Raises:
        ConfigError: With the nearest name and all of them.
    """
    if name not in names:
        raise ConfigError(
            f"{kind} is {name!r}{nearest(str(name), names)}; choose one of: {', '.join(names)}."
        )


def make(kind: str, name: str, maker: Callable[..., T], **arguments: object) -> T:
    """Call a class of Optuna's without its warnings that it is experimental.

    Raises:
        ConfigError: If it refuses the arguments.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return maker(**arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{kind} {name} refuses its arguments: {message_of(error)}"
            ) from error
