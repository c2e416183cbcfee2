"""Make a sampler or pruner of Optuna from the name and arguments in a study's file."""

import warnings
from collections.abc import Callable, Collection
from typing import TypeVar

import optuna

from multihead.errors import ConfigError, message_of
from multihead.text import nearest

T = TypeVar("T")


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return maker(**arguments)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{kind} {name} refuses its arguments: {message_of(error)}"
            ) from error
