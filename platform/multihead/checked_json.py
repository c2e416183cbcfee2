"""Read a JSON object from an untrusted file, with limits on size, nesting and values."""

import codecs
import json
from pathlib import Path
from typing import Any, NoReturn

from multihead.errors import DataError
from multihead.text import one_line

MAX_BYTES = 8 << 20
_MAX_DEPTH = 50


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Args:
        path: A UTF-8 file of at most 8 MiB and at most 50 levels.

    Raises:
        DataError: If the file cannot be read, is not an object, repeats a key, or has a number that
            is not finite or text that is not valid Unicode.
    """
    name = one_line(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from None
    return parse_json_object(raw, name, MAX_BYTES)


def parse_json_object(raw: bytes, name: str, most: int) -> dict[str, Any]:
    """Return the object in the bytes of a JSON file; see `read_json_object`.

    Args:
        raw: The file, or its first `most` + 1 bytes.
        name: The name of the file for error messages.
        most: Limit of its size in bytes.

    Raises:
        DataError: If the file is larger, or for the reasons of `read_json_object`.
    """
    if len(raw) > most:
        raise DataError(f"{name} is larger than {most:,} bytes, the limit for metadata.")
    try:
        value = json.loads(
            raw.removeprefix(codecs.BOM_UTF8).decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
        )
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise DataError(f"{name} nests deeper than {_MAX_DEPTH} levels.") from None
    except ValueError as error:
        raise DataError(f"{name} is not valid JSON: {one_line(str(error)[:200])}.") from None
    if not isinstance(value, dict):
        raise DataError(f"{name} has a {type(value).__name__}; it must have an object, {{...}}.")
    if _depth_exceeds(value):
        raise DataError(f"{name} nests deeper than {_MAX_DEPTH} levels.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} occurs twice in one object")
        found[key] = value
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _depth_exceeds(value: object) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        below: list[object] = []
        for node in level:
            if isinstance(node, dict):
                below += node.values()
            elif isinstance(node, list):
                below += node
        level = below
        if not level:
            return False
    return True
