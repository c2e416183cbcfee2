"""Source functions: their further arguments, and where they read from.

A dataset is a function `(data_dir, split) -> Source`. Its further arguments are keys of the
config group `data`.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from multihead.data.source import Source, SourceFunction, Trained
from multihead.errors import ConfigError

_Function = TypeVar("_Function", bound=Callable[..., Source])
_ADDRESS_READERS: set[Callable[..., Source]] = set()
_AS_TRAINED: set[Callable[..., Source]] = set()


def reads_as_trained(function: _Function) -> _Function:
    """Mark a source function that has an argument `trained`, a `data.source.Trained` or None.

    `trained` is not a key of `data`. An evaluation sets it, so that each label has the same number
    as in training.
    """
    _AS_TRAINED.add(function)
    return function


def for_network(source: SourceFunction | None, trained: Trained) -> SourceFunction | None:
    """Return a source function that numbers labels as in a network's training, or None.

    None means that the function is not marked with `reads_as_trained`.
    """
    if source is None or plain(source) not in _AS_TRAINED:
        return None
    return partial(source, trained=trained)


def reads_addresses(function: _Function) -> _Function:
    """Mark a source function whose `data_dir` may be an address such as `s3://...`, as a string."""
    _ADDRESS_READERS.add(function)
    return function


def is_address_reader(source: SourceFunction | None) -> bool:
    """Return whether a source function is marked with `reads_addresses`."""
    return plain(source) in _ADDRESS_READERS


def plain(source: SourceFunction | None) -> SourceFunction | None:
    """Return a source function without the arguments that `partial` has fixed."""
    return plain(source.func) if isinstance(source, partial) else source


def options_of(source: SourceFunction) -> dict[str, inspect.Parameter]:
    """Return the arguments of a source function after the folder and the split, by name."""
    parameters = list(inspect.signature(source).parameters.values())
    known = {parameter.name: parameter for parameter in parameters[2:]}
    if plain(source) in _AS_TRAINED:
        known.pop("trained", None)
    return known


def with_options(
    source: SourceFunction | None, options: Mapping[str, Any]
) -> SourceFunction | None:
    """Return a source function with further arguments fixed.

    Args:
        source: The function of the configuration. Some arguments may already be fixed.
        options: Further arguments by name.

    Raises:
        ConfigError: If `source` is not such a function, or does not take one of the options.
    """
    if source is None:
        if options:
            raise ConfigError(f"there is no key {next(iter(options))!r} in data.")
        return None
    if not callable(source):
        raise ConfigError(
            f"data.source is a {type(source).__name__}; name a function (data_dir, split) -> "
            f"Source with _partial_: true."
        )
    name, known = getattr(plain(source), "__name__", "it"), options_of(source)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    for key in options:
        if key not in known and not takes_any:
            raise ConfigError(
                f"there is no key {key!r} in data, and its source {name} takes only "
                f"{list(known)}; remove it."
            )
        if key in getattr(source, "keywords", {}):
            raise ConfigError(f"data.{key} and data.source.{key} are both given; keep one.")
    made = partial(source, **options)
    try:
        inspect.signature(made).bind(Path(), "train")
    except TypeError as error:
        raise ConfigError(
            f"data.source is {name}, which cannot be called with (data_dir, split): {error}."
        ) from error
    return made


def with_settings(
    source: SourceFunction | None, settings: Mapping[str, Any]
) -> SourceFunction | None:
    """Return a source function with those settings fixed that it has as arguments."""
    if source is None:
        return None
    own = {name: settings[name] for name in options_of(source) if name in settings}
    return partial(source, **own) if own else source


def fixed_in(source: SourceFunction | None) -> dict[str, Any]:
    """Return the arguments that `partial` has fixed in a source function, by name."""
    return fixed_in(source.func) | source.keywords if isinstance(source, partial) else {}


def is_address(where: str | Path) -> bool:
    """Return whether this is an address such as `s3://...` and not a path."""
    return "://" in str(where)
