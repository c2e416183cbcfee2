"""Read an untrusted YAML file with limits on time and memory.

Files that people write by hand are read as in Hydra: 1e-4 is a number, the key `on` is a name, and
010 is not an octal number. Records were written by PyYAML and are read with its rules, where 1e-4
is a text.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from multihead.errors import ConfigError

MAX_BYTES = 512 << 10
_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")
_MOST_NODES = 100_000  # with aliases expanded


class _Written(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """A safe loader with the numbers of YAML 1.2."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML declares it like this
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
    """Return the content of a YAML file, in plain types.

    Args:
        path: A UTF-8 file of at most 512 KiB, with at most 100,000 values after its aliases are
            expanded.

    Raises:
        ConfigError: If it cannot be read, is larger, is nested too deeply, or is not YAML.
    """
    return _read(path, yaml.SafeLoader)


def read_written(path: Path) -> Any:
    """Return the content of a YAML file that a person wrote by hand; errors as `read_yaml`."""
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
            raise ConfigError(f"{path} is larger than {MAX_BYTES:,} bytes, the limit for YAML.")
        return _parsed(raw.decode("utf-8"), path, kind)
    except RecursionError:
        raise ConfigError(f"{path} nests too deeply to be read.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    # Invalid numbers and dates, such as 2020-99-99, raise Python's own errors.
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
                f"{path} has more than {_MOST_NODES:,} values after its aliases are expanded."
            )
        if kind is _Written:
            _name_keys(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _name_keys(node: yaml.Node) -> None:
    """Turn keys such as `on` and `no`, which YAML reads as true and false, into names."""
    for pair in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, *value = pair if isinstance(pair, tuple) else (None, pair)
        if isinstance(key, yaml.ScalarNode) and key.tag == f"{_TAG}bool":
            key.tag = f"{_TAG}str"
        for each in value:
            _name_keys(each)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return the number of nodes in this one after its aliases are expanded."""
    if id(node) not in known:
        known[id(node)] = _MOST_NODES + 1  # for an alias inside to this node, which never ends
        below: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            below = [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            below = node.value
        known[id(node)] = 1 + sum(_count(each, known) for each in below)
    return known[id(node)]
