"""Overrides of `data.table` and `data.columns`: paths, and column names that Hydra cannot parse.

A column may have a name such as `Körper größe (cm)` or `2.5`. If a name is not a plain word, it is
encoded in hexadecimal for Hydra, and decoded after everything is composed.
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
    """Return an override of `data.columns` in a form that Hydra accepts; others unchanged.

    The last word after a dot is a key of the column's settings, such as `missing`, if it is one of
    them. Otherwise it is part of the column's name.
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
    """Return `data.table=...` with an absolute path, for use in another folder."""
    found = _TABLE.fullmatch(override)
    if found is None or not _is_plain_path(found[2]):
        return override
    return f"{found[1]}{_absolute(found[2])}"


def _is_plain_path(text: str) -> bool:
    """Return whether a value is a plain path, and not quoted, a sweep or null."""
    return text != "null" and not set(text) & set("'\",()[]{}$\\=")


def settled_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` of a configuration with decoded column names and an absolute table path."""
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
