"""Short names of classes in a configuration: the config choices that select them."""

from multihead import settings
from multihead.errors import ConfigError
from multihead.yaml_file import read_yaml

TARGET = "_target_"


def short_value(key: str, value: str) -> str:
    """Return `gradnorm` for `multihead.balancing.GradNorm`, and other values unchanged.

    Args:
        key: The dotted key, such as `model.balancer._target_`.
        value: The value of the key in a run.
    """
    if not key.endswith(f".{TARGET}") or not value:
        return value
    choices = _choices(key.removesuffix(f".{TARGET}").replace(".", "/"), value)
    return choices[0] if len(choices) == 1 else value.rpartition(".")[2]


def _choices(group: str, target: str) -> list[str]:
    """Return the choices of a config group with this class."""
    found = []
    for folder in settings.config_folders("experiments"):
        for path in sorted((folder / group).glob("*.yaml")):
            try:
                content = read_yaml(path)
            except ConfigError:
                continue
            if isinstance(content, dict) and content.get(TARGET) == target:
                found.append(path.stem)
    return list(dict.fromkeys(found))
