"""`data.table` and `data.columns` on the command line: paths, and names that Hydra cannot parse.

A column may be called `Körper größe (cm)` or `2.5`. Where a key is no plain word, it is spelled in
hexadecimal for Hydra, and read back when everything is composed.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multihead.datasets.table.choices import Choice

_COLUMN = re.compile(
    r"(?P<plus>\+{0,2})data\.columns(?:\.(?P<name>[^=]+))?=(?P<value>.*)", re.DOTALL
)
_TABLE = re.compile(r"(\+{0,2}data\.table=)(.+)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SPELLED = re.compile(r"_utf8_((?:[0-9a-f]{2})+)")


def spelled(override: str) -> str:
    """Return an override of `data.columns` as Hydra takes it, which may add its key; others as is.

    The last word after a dot is a key of the choice, such as `missing`, or part of the name.
    """
    found = _COLUMN.fullmatch(override)
    if found is None:
        return override
    if found["name"] is None:
        return f"++data.columns={found['value']}"
    name, dot, key = found["name"].rpartition(".")
    if not dot or key not in Choice.model_fields:
        name, key = found["name"], ""
    word = name if _PLAIN.fullmatch(name) else f"_utf8_{name.encode(errors='replace').hex()}"
    return f"++data.columns.{word}{f'.{key}' if key else ''}={found['value']}"


def rooted(override: str) -> str:
    """Return `data.table=...` with an absolute path, for whoever reads it in another folder."""
    found = _TABLE.fullmatch(override)
    if found is None or not _is_plain_path(found[2]):
        return override
    return f"{found[1]}{_absolute(found[2])}"


def _is_plain_path(text: str) -> bool:
    """Tell whether a value is a path as it stands, and not quoted, a sweep or nothing."""
    return text != "null" and not set(text) & set("'\",()[]{}$\\=")


def settled_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` of a configuration with its columns' names and its table's whole path."""
    found = dict(data)
    if isinstance(found.get("table"), str):
        found["table"] = _absolute(found["table"])
    columns = found.get("columns")
    if isinstance(columns, Mapping):
        named: dict[str, Any] = {}
        for key, said in columns.items():
            match = _SPELLED.fullmatch(str(key))
            name = str(key) if match is None else bytes.fromhex(match[1]).decode(errors="replace")
            before = named.get(name)
            if isinstance(before, Mapping) and isinstance(said, Mapping):
                said = {**before, **said}
            named[name] = said
        found["columns"] = named
    return found


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())
