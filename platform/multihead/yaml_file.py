"""Read a YAML file that anybody may have written, in bounded time and memory.

What people write by hand is read as they and Hydra mean it: 1e-4 is a number, `on` as a key a name,
010 no octal number. Records are read as they were written, by PyYAML, to which 1e-4 is a text.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from multihead.errors import ConfigError

MAX_BYTES = 512 << 10
_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")
_MOST_NODES = 100_000  # aliases written out


class _Written(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Numbers as YAML 1.2 has them."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as PyYAML has it
        first: [(tag, regexp) for tag, regexp in known if tag not in _NUMBERS]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Written.add_implicit_resolver(
    f"{_TAG}int",
    re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0b[01_]+|0x[0-9a-fA-F_]+)\Z"),
    list("-+0123456789"),
)
_Written.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?"
        r"|[0-9][0-9_]*[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))\Z|\.(?:nan|NaN|NAN)\Z"
    ),
    list("-+0123456789."),
)


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, in plain types.

    Args:
        path: A file of at most 512 KiB in UTF-8, which holds at most 100,000 values when what
            its aliases stand for is written out.

    Raises:
        ConfigError: If it cannot be read, holds more, nests too deeply, or is not YAML.
    """
    return _read(path, yaml.SafeLoader)


def read_written(path: Path) -> Any:
    """Return what `read_yaml` does, of a file that a person wrote by hand; errors are the same."""
    return _read(path, _Written)


def written_value(text: str) -> Any:
    """Return a value that a person typed, in plain types.

    Raises:
        yaml.YAMLError: If it is not YAML.
    """
    return yaml.load(text, Loader=_Written)  # a SafeLoader


def _read(path: Path, kind: type[yaml.SafeLoader]) -> Any:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES:,} bytes, which none needs.")
        return _parsed(raw.decode("utf-8"), path, kind)
    except RecursionError:
        raise ConfigError(f"{path} nests too deeply to be read.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    # Numbers and dates that are none, such as 2020-99-99, are errors of Python's own.
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())[:300]}") from error


def _parsed(text: str, path: Path, kind: type[yaml.SafeLoader]) -> Any:
    loader = kind(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > _MOST_NODES:
            raise ConfigError(
                f"{path} holds more than {_MOST_NODES:,} values once its aliases are written out."
            )
        if kind is _Written:
            _name_keys(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _name_keys(node: yaml.Node) -> None:
    """Make keys such as `on` and `no` names, as whoever wrote them meant."""
    for pair in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, *value = pair if isinstance(pair, tuple) else (None, pair)
        if isinstance(key, yaml.ScalarNode) and key.tag == f"{_TAG}bool":
            key.tag = f"{_TAG}str"
        for each in value:
            _name_keys(each)


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
