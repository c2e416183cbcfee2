"""Texts in pictures: shortened, and never read as formulas.

Matplotlib reads a text with two dollar signs as a formula, and raises an error if the formula is
wrong. Formulas cannot be switched off, since logarithmic axes use them. So each dollar sign in a
text is escaped.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import rc_context

from multihead.text import one_line

_MOST_LINES = 12
_TITLE = 100


@contextmanager
def plain_words() -> Iterator[None]:
    """Draw text without LaTeX, and without warnings of missing glyphs or space.

    It can also be used as a decorator.
    """
    with rc_context({"text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield


def word(text: object, most: int = 60) -> str:
    """Return a name, shortened to fit next to an axis or a bar."""
    return one_line(str(text), most).replace("$", r"\$")


def title(text: str) -> str:
    """Return a title or caption of up to 12 lines, each shortened."""
    return "\n".join(word(line, _TITLE) for line in text.split("\n")[:_MOST_LINES])
