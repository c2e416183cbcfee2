"""Lines and documents on stdout and stderr."""

import re
import sys
from typing import Any

import click

from multihead.text import message, one_line, shortened

_MOST_OF_A_WORD = 1000  # an address may be long, and is there to be copied
_LONG_WORD = re.compile(rf"\S{{{_MOST_OF_A_WORD + 1},}}")


def say(*texts: Any, err: bool = False) -> None:
    """Print a line per text, whatever line ends and control characters the text has.

    Args:
        texts: A line each; an empty line if there are none.
        err: Print to stderr.
    """
    click.echo("\n".join(_line(str(text)) for text in texts), err=err)


def complain(text: str) -> None:
    """Print a notice on stderr."""
    click.echo(notice(text), err=True)


def notice(text: str) -> str:
    """Return a message as what the command says: one line of bounded length."""
    return f"multihead: {message(text)}"


def _line(text: str) -> str:
    return _LONG_WORD.sub(lambda word: shortened(word[0], _MOST_OF_A_WORD), one_line(text))


def write_document(text: str) -> None:
    """Write a text to stdout as it is: that of a file, made by a writer that escapes."""
    sys.stdout.write(text)
