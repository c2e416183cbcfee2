"""Lines and documents on stdout and stderr."""

import re
import sys
from typing import Any

import click

from multihead.text import message, one_line, shortened

_MOST_OF_A_WORD = 1000  # characters; a URL may be long and must stay complete for copying
_LONG_WORD = re.compile(rf"\S{{{_MOST_OF_A_WORD + 1},}}")


def say(*texts: Any, err: bool = False) -> None:
    """Print each text on one line, with its line breaks and control characters removed.

    Args:
        texts: One text per line. Without texts, an empty line is printed.
        err: Print to stderr.
    """
    click.echo("\n".join(_line(str(text)) for text in texts), err=err)


def complain(text: str) -> None:
    """Print a notice on stderr."""
    click.echo(notice(text), err=True)


def notice(text: str) -> str:
    """Return a message of the command, `multihead: ...`, as one line of bounded length."""
    return f"multihead: {message(text)}"


def _line(text: str) -> str:
    return _LONG_WORD.sub(lambda word: shortened(word[0], _MOST_OF_A_WORD), one_line(text))


def write_document(text: str) -> None:
    """Write a text to stdout unchanged. It must come from a writer that escapes foreign text."""
    sys.stdout.write(text)
