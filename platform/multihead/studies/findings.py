"""What pydantic finds in a file of `studies/`, in the words of a person who writes YAML."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from multihead.text import one_line, shortened

_LONGEST_VALUE = 100
# By the type that pydantic gives an error; what is in braces is of its context.
_WORDS = {
    "int": "give a whole number",
    "float": "give a number",
    "finite_number": "give a finite number",
    "string": "give a text",
    "bool": "give true or false",
    "tuple": "give a list",
    "list": "give a list",
    "dict": "give a mapping",
    "model": "give a mapping",
    "too_short": "give {min_length} or more entries",
    "too_long": "give {max_length} entries or fewer",
    "greater_than_equal": "give {ge:g} or more",
    "greater_than": "give more than {gt:g}",
    "less_than_equal": "give {le:g} or less",
    "less_than": "give less than {lt:g}",
    "literal_error": "give {expected}",
    "missing": "it is missing",
}
_KIND = re.compile(r"(int|float|string|bool|tuple|list|dict|model)_\w+")
_INSIDE = re.compile(r"(dict|list|tuple|literal)\[")
_MEMBER = re.compile(rf"{_INSIDE.pattern}.*|str|int|float|bool|none")


def telling(errors: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first error, or one inside the same value if a member of a union goes deeper.

    Args:
        errors: As pydantic lists them.
    """
    first, keys = errors[0], place(errors[0])
    inside = [e for e in errors if place(e)[: len(keys)] == keys and len(place(e)) > len(keys)]
    return inside[0] if inside and _is_member(first) else first


def wanted(errors: Sequence[Mapping[str, Any]]) -> str:
    """Return what the telling error says is allowed; of a union, what each of its members allows.

    Args:
        errors: As pydantic lists them.
    """
    chosen = telling(errors)
    alike = [e for e in errors if place(e) == place(chosen)] if _is_member(chosen) else [chosen]
    first, *others = dict.fromkeys(map(_words, alike))
    return " or ".join([first, *(each.removeprefix("give ") for each in others)])


def place(error: Mapping[str, Any]) -> list[str]:
    """Return the keys that lead to an error, without the names of a union's members."""
    keys = [str(part) for part in error["loc"]]
    return [key for key in (keys[:-1] if _is_member(error) else keys) if not _INSIDE.match(key)]


def yaml_value(value: Any) -> str:
    """Return a value as YAML would have it, on one line of bounded length."""
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # a date, which YAML knows and JSON does not
        text = str(value)
    return shortened(one_line(text), _LONGEST_VALUE)


def _is_member(error: Mapping[str, Any]) -> bool:
    last = str(error["loc"][-1]) if error["loc"] else ""
    return len(error["loc"]) > 1 and _MEMBER.fullmatch(last) is not None


def _words(error: Mapping[str, Any]) -> str:
    kind = _KIND.fullmatch(error["type"])
    words = _WORDS.get(kind[1] if kind else error["type"])
    if words is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return words.format(**error.get("ctx", {}))
