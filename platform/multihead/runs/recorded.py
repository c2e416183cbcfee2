"""Recorded configurations: plain values that compose nothing, and what a person types onto them.

What they may name is `runs.trust`'s to say.
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
    """Read a recorded configuration, which is resolved and made of plain values.

    Args:
        file: A run's `config.yaml`.
        name: What to call it in messages, such as `config.yaml of run abc`.

    Raises:
        ConfigError: If it is damaged, or is no configuration of a run as one is recorded: it
            composes nothing, refers to nothing and sets nothing of Hydra's.
    """
    try:
        config = read_yaml(file)
    except ConfigError as error:
        raise ConfigError(f"{name} cannot be used: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{name} is damaged: it names no network.")
    if strange := [key for key in config if key not in RunConfig.model_fields]:
        raise ConfigError(
            f"{name} is damaged: it has {shown(strange[0])}, which is no key of a run's."
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
        raise ConfigError(f"{name} is damaged: {shown(path)} is no plain value.")
    for text in (value, *keys):
        if isinstance(text, str) and "${" in text:
            raise ConfigError(
                f"{name} is damaged: {shown(path)} has {shown(text)}, but a record refers to "
                f"nothing."
            )


def recomposed(
    record: Mapping[str, Any],
    overrides: Sequence[str],
    name: str,
    trust: Collection[str] = (),
    typed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a recorded configuration with what a person typed, if it may be built.

    Args:
        record: As `read_config` returned it.
        overrides: Typed, such as `["seed=1"]`.
        name: What to call the record in messages.
        trust: Targets that the person who calls trusts.
        typed: Keys at the top that were chosen anew, in place of the record's.

    Raises:
        ConfigError: If it names what is not trusted, or an override does not fit it.
    """
    typed = typed or {}
    config = compose_record({**record, **typed}, overrides)
    check_keys(config)
    left = {key: value for key, value in record.items() if key not in typed}
    check_targets(config, name, trust, left)
    return config


def check_texts(values: Mapping[str, Any], overrides: Sequence[str], name: str) -> None:
    """Refuse what would resolve to something else, or set Hydra itself, when it is composed.

    Args:
        values: In plain types.
        overrides: In Hydra's grammar.
        name: What to call the record in messages.

    Raises:
        ConfigError: Naming the text.
    """
    for path, value in nodes({**values, "overrides": list(overrides)}, name):
        keys = list(value) if isinstance(value, dict) else []
        for text in (value, *keys):
            if isinstance(text, str) and "${" in text:
                raise ConfigError(
                    f"{name} has {shown(text)} in {shown(path)}; a record refers to nothing."
                )
    for override in overrides:
        if override.lstrip("+~ \t\n").startswith(("hydra", "-")):
            raise ConfigError(f"{name} has the override {shown(override)}; a record may not.")
