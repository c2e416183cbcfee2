"""Keep passwords out of records; the URIs of stores may contain them."""

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from multihead.settings import COMMAND_VARIABLE

_IN_AUTHORITY = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^/@\s:]*):[^/@\s]+@")
_IN_QUERY = re.compile(
    r"(?P<before>[?&](?:password|passwd|token|secret|api_?key|access_?key)=)[^&\s'\"]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return a text with `***` instead of every password in a URI."""
    return _IN_QUERY.sub(r"\g<before>***", _IN_AUTHORITY.sub(r"\g<before>:***@", text))


def masked_uri(uri: str) -> str:
    """Return a URI with `***` instead of its password, which may not contain / and @."""
    return masked(re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", uri))


def masked_values(values: Any) -> Any:
    """Return nested dicts and lists with every text in them masked."""
    if isinstance(values, dict):
        return {key: masked_values(value) for key, value in values.items()}
    if isinstance(values, list):
        return [masked_values(value) for value in values]
    return masked(values) if isinstance(values, str) else values


def typed_command() -> str:
    """Return the command line as a person types it, with passwords masked.

    In a worker it is the command that started the worker.
    """
    if (command := os.environ.get(COMMAND_VARIABLE)) is not None:
        return masked(command)
    program, *rest = sys.argv
    module = Path(program).name == "__main__.py"
    name = f"python -m {Path(program).parent.name}" if module else Path(program).name
    return masked(" ".join([name, shlex.join(rest)]).strip())


def command_variable() -> dict[str, str]:
    """Return the environment variable that tells a worker the command line of this process."""
    return {COMMAND_VARIABLE: typed_command()}


def shareable(path: Path) -> Path:
    """Return the file itself, or a copy with masked passwords if it contains any.

    The copy has the same name, in a folder `shareable` beside the file.
    """
    text = path.read_text(encoding="utf-8")
    if masked(text) == text:
        return path
    copy = path.parent / "shareable" / path.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(masked(text), encoding="utf-8")
    return copy
