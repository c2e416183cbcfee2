"""Read recorded configurations, and apply the user's overrides to them.

A recorded configuration has plain values only. `runs.trust` decides which classes it may name.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from multihead.errors import ConfigError
from multihead.runs.config import compose_record
from multihead.runs.schema import RunConfig, check_keys
from multihead.runs.trust import check_targets, is_node, nodes, shown
from multihead.yaml_file import read_yaml


def read_config(file: Path, name: str) -> dict[str, Any]:
    """Read a recorded configuration.

    Args:
        file: A run's `config.yaml`.
        name: Its name for messages, such as `config.yaml of run abc`.

    Raises:
        ConfigError: If it is damaged, or is not a recorded configuration: it has unknown keys,
            interpolations (`${...}`) or values of other types, or no network.
    """
    try:
        config = read_yaml(file)
    except ConfigError as error:
        raise ConfigError(f"{name} cannot be used: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{name} is damaged: it names no network.")
    if strange := [key for key in config if key not in RunConfig.model_fields]:
        raise ConfigError(
            f"{name} is damaged: it has {shown(strange[0])}, which is not a key of a run."
        )
    for path, value in nodes(config, name):
        _check_plain(value, path, name)
    model = config.get("model")
    for key in ("paths", "logger"):
        if not isinstance(config.get(key), dict):
            raise ConfigError(f"{name} is damaged: it has no {key}.")
    if not isinstance(model, dict) or not is_node(model.get("net")):
        raise ConfigError(f"{name} is damaged: it names no network.")
    return config


def _check_plain(value: Any, path: str, name: str) -> None:
    keys = list(value) if isinstance(value, dict) else []
    plain = value is None or isinstance(value, dict | list | str | int | float | bool)
    if not plain or not all(isinstance(key, str | int | float | bool) for key in keys):
        raise ConfigError(f"{name} is damaged: {shown(path)} is not a plain value.")
    for text in (value, *keys):
        if isinstance(text, str) and "${" in text:
            raise ConfigError(
                f"{name} is damaged: {shown(path)} has {shown(text)}, but a record may not have "
                f"'${{'."
            )


def recomposed(
    record: Mapping[str, Any],
    overrides: Sequence[str],
    name: str,
    trust: Collection[str] = (),
    typed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a recorded configuration with the user's overrides, after checking its targets.

    Args:
        record: The return value of `read_config`.
        overrides: The user's overrides, such as `["seed=1"]`.
        name: The name of the record for messages.
        trust: Targets that the caller trusts.
        typed: Top-level keys whose values replace those of the record.

    Raises:
        ConfigError: If the record names a class that is not trusted, or an override does not fit.
    """
    typed = typed or {}
    config = compose_record({**record, **typed}, overrides)
    check_keys(config)
    left = {key: value for key, value in record.items() if key not in typed}
    check_targets(config, name, trust, left)
    return config


def check_texts(values: Mapping[str, Any], overrides: Sequence[str], name: str) -> None:
    """Refuse recorded values with interpolations, and overrides that configure Hydra itself.

    Args:
        values: Values in plain types.
        overrides: Overrides in Hydra's grammar.
        name: The name of the record for messages.

    Raises:
        ConfigError: If there is such a text; the message has it.
    """
    for path, value in nodes({**values, "overrides": list(overrides)}, name):
        keys = list(value) if isinstance(value, dict) else []
        for text in (value, *keys):
            if isinstance(text, str) and "${" in text:
                raise ConfigError(
                    f"{name} has {shown(text)} in {shown(path)}, but a record may not have '${{'."
                )
    for override in overrides:
        if override.lstrip("+~ \t\n").startswith(("hydra", "-")):
            raise ConfigError(
                f"{name} has the override {shown(override)}, which a record may not have."
            )
