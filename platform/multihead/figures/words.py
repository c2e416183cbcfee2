"""Words in pictures: no mathematics in them, and short enough for their place.

To Matplotlib a name with two dollar signs is a formula, and ends the picture if it is a wrong one.
The labels of logarithmic axes are formulas of its own, so dollar signs are escaped one by one.
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
    """Draw text as text, without a warning of glyphs or room that it lacks; wraps a function."""
    with rc_context({"text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield


def word(text: object, most: int = 60) -> str:
    """Return a name as it fits beside an axis or a bar."""
    return one_line(str(text), most).replace("$", r"\$")


def title(text: str) -> str:
    """Return what stands above or below a picture; its lines stay, up to a dozen of them."""
    return "\n".join(word(line, _TITLE) for line in text.split("\n")[:_MOST_LINES])
