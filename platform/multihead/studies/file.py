"""Files of `studies/`, of searches and ablations alike: find one, read it, say what is wrong.

Folders searched, first hit wins: `studies/` of the current folder, then the package's own.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from multihead import settings
from multihead.errors import ConfigError
from multihead.runs.config import nearest


def find_file(name: str, group: str, what: str) -> Path:
    """Return the path of a file.

    Args:
        name: Of the file, without its ending, or the path of a YAML file.
        group: The folder within `studies/`.
        what: Names it in an error, such as `study`.

    Raises:
        ConfigError: If there is none, with the names there are.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise ConfigError(f"there is no {what} file {name}.")
        return Path(name)
    folders = [folder / group for folder in settings.config_folders("studies")]
    known = sorted({p.stem for folder in folders for p in folder.glob("*.yaml")})
    if name not in known:
        raise ConfigError(
            f"there is no {what} {name!r}{nearest(name, known)}; choose one of: {', '.join(known)}."
        )
    return next(path for folder in folders if (path := folder / f"{name}.yaml").is_file())


def read_file(path: Path, what: str) -> dict[str, Any]:
    """Return a file's content, with its `name` first.

    Raises:
        ConfigError: If it is not YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no mapping; {what} has experiment, overrides and more keys.")
    return {"name": path.stem, **content}


def apply_argument(content: dict[str, Any], argument: str, fields: Iterable[str]) -> None:
    """Put one `key=value` where it belongs: into the file's content, or to its base's overrides.

    Raises:
        ConfigError: If it is no `key=value`, or the value is not YAML.
    """
    key, equals, text = argument.partition("=")
    if not equals or not key:
        raise ConfigError(f"{argument!r} is no override; write key=value.")
    head, _, rest = key.partition(".")
    if head not in fields:
        content["overrides"].append(argument)
        return
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{argument!r}: the value is not YAML.") from error
    if head == "overrides":
        raise ConfigError(f"{argument!r}: write the overrides of the base as they are.")
    if not rest:
        content[head] = value
        return
    node = content.get(head) or {}
    named = node if isinstance(node, dict) else {"name": node}  # sampler: tpe
    content[head] = {**named, rest: value}


def explain(error: ValidationError, where: str, names: Iterable[str]) -> ConfigError:
    """Turn what pydantic found into one line.

    Args:
        error: Of which the first finding is said.
        where: Names the file.
        names: The keys that it may have.
    """
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return ConfigError(
            f"{where}: there is no key {key!r}{nearest(key, names)}; allowed: {', '.join(names)}."
        )
    if first["type"] == "missing":
        return ConfigError(f"{where}: the key {key!r} is missing; the shipped files show it.")
    message = first["msg"].removeprefix("Value error, ")
    value = f"{key} is {first['input']!r}: " if key else ""
    return ConfigError(f"{where}: {value}{message}.")
