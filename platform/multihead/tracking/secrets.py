"""Keep passwords out of records: they stand in the addresses of stores."""

import re
from typing import Any

_IN_AUTHORITY = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^/@\s:]*):[^/@\s]+@")
_IN_QUERY = re.compile(
    r"(?P<before>[?&](?:password|passwd|token|secret|api_?key|access_?key)=)[^&\s'\"]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return a text with `***` for every password in a URI."""
    return _IN_QUERY.sub(r"\g<before>***", _IN_AUTHORITY.sub(r"\g<before>:***@", text))


def masked_values(values: Any) -> Any:
    """Return nested dicts and lists with every text in them masked."""
    if isinstance(values, dict):
        return {key: masked_values(value) for key, value in values.items()}
    if isinstance(values, list):
        return [masked_values(value) for value in values]
    return masked(values) if isinstance(values, str) else values
