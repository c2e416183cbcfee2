"""Find and read the files of `studies/`, for searches and ablations, and explain their errors.

The folder `studies/` of the current folder is searched first, then the package's own.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from multihead import settings
from multihead.errors import ConfigError
from multihead.runs.columns import rooted
from multihead.studies.findings import place, telling, wanted, yaml_value
from multihead.text import nearest
from multihead.yaml_file import read_written, written_value


def find_file(name: str, group: str, what: str) -> Path:
    """Return the path of a file.

    Args:
        name: Name of the file without its suffix, or the path of a YAML file.
        group: The folder within `studies/`.
        what: The word for the file in an error, such as `study`.

    Raises:
        ConfigError: If the file does not exist. The message lists the names that exist.
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
    """Return a file's content. Its first key is `name`, by default the name of the file.

    Raises:
        ConfigError: If it is not YAML, or not a mapping.
    """
    content = read_written(path)
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} is not a mapping; {what} has keys such as experiment and overrides."
        )
    return {"name": path.stem, **content}


def apply_argument(content: dict[str, Any], argument: str, fields: Iterable[str]) -> None:
    """Apply one `key=value` to the file's content: set its key, or add an override of the base.

    Raises:
        ConfigError: If the argument is not `key=value`, or the value is not YAML.
    """
    argument = rooted(argument)
    key, equals, text = argument.partition("=")
    if not equals or not key:
        raise ConfigError(f"{argument!r} is not an override; write key=value.")
    head, _, rest = key.partition(".")
    if head not in fields:
        content["overrides"].append(argument)
        return
    try:
        value = written_value(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{argument!r}: the value is not YAML.") from error
    if head == "overrides":
        raise ConfigError(
            f"{argument!r}: write each override of the base as an argument of its own."
        )
    if not rest:
        content[head] = value
        return
    node = content.get(head) or {}
    named = node if isinstance(node, dict) else {"name": node}  # sampler: tpe
    content[head] = {**named, rest: value}


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    """Turn an error of pydantic into an error of one line.

    Args:
        error: Pydantic's error. Only its first finding is reported.
        where: Name of the file, for the message.
        model: The model that the file was checked against.
    """
    errors = error.errors()
    first = telling(errors)
    key, names = _place(model, place(first))
    if first["type"] == "extra_forbidden":
        unknown = key.rpartition(".")[2]
        return ConfigError(
            f"{where}: there is no key {key!r}{nearest(unknown, names)}; "
            f"allowed: {', '.join(names)}."
        )
    if first["type"] == "missing":
        return ConfigError(
            f"{where}: the key {key!r} is missing; the files that come with multihead have it."
        )
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        union = model.model_fields[key].annotation
        tags = [tag for member in _models(union) for tag in _tags(member)]
        given = first["input"].get("name")
        problem = "has no name" if given is None else f"{given!r} is unknown{nearest(given, tags)}"
        return ConfigError(f"{where}: {key} {problem}; choose one of: {', '.join(tags)}.")
    value = f"{key} is {yaml_value(first['input'])}: " if key else ""
    message = wanted(errors)
    if first["type"].startswith(("model_", "dataclass_")):
        message += (
            f" with {'the key' if len(names) == 1 else 'some of the keys'} {', '.join(names)}"
        )
    return ConfigError(f"{where}: {value}{message}.")


def _place(model: type[BaseModel], found: Iterable[str]) -> tuple[str, list[str]]:
    """Return a dotted key as in the file, and the keys that are allowed at its level.

    Args:
        model: The model that the file was checked against.
        found: The location in pydantic's error. Within a union, it also names the member.
    """
    keys: list[str] = []
    models = [model]
    for part in found:
        named = [m for m in models if part in _tags(m)]
        if named and len(models) > 1:
            models = named
            continue
        keys.append(part)
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        models = [m for field in fields for m in _models(field.annotation)] or models
    return ".".join(keys), list(dict.fromkeys(name for m in models for name in m.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a field's type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the values of `name` that select this model in a union."""
    field = model.model_fields.get("name")
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return get_args(field.annotation)
