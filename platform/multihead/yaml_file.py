"""Read a YAML file that anybody may have written, in bounded time and memory."""

from pathlib import Path
from typing import Any

import yaml

from multihead.errors import ConfigError

MAX_BYTES = 512 << 10
_MOST_NODES = 100_000  # aliases written out


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, in plain types.

    Args:
        path: A file of at most 512 KiB in UTF-8, which holds at most 100,000 values when what
            its aliases stand for is written out.

    Raises:
        ConfigError: If it cannot be read, holds more, nests too deeply, or is not YAML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES:,} bytes, which none needs.")
        return _parsed(raw.decode("utf-8"), path)
    except RecursionError:
        raise ConfigError(f"{path} nests too deeply to be read.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    # Numbers and dates that are none, such as 2020-99-99, are errors of Python's own.
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())[:300]}") from error


def _parsed(text: str, path: Path) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > _MOST_NODES:
            raise ConfigError(
                f"{path} holds more than {_MOST_NODES:,} values once its aliases are written out."
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many nodes this one is when each alias is written out."""
    if id(node) not in known:
        known[id(node)] = _MOST_NODES + 1  # what an alias within finds: it has no end
        below: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            below = [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            below = node.value
        known[id(node)] = 1 + sum(_count(each, known) for each in below)
    return known[id(node)]
