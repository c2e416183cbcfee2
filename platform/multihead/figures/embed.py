"""Pictures as text, to embed in a page that needs no other file."""

import io
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from markupsafe import escape
from matplotlib import rcParams
from matplotlib.figure import Figure
from numpy.typing import NDArray

from multihead.figures.words import plain_words
from multihead.text import one_line

# `page_style` draws in this colour, and `inline_svg` replaces it by the page's text colour.
_INK = "#123456"
_TAG = re.compile(r"<[^>]*>")


@contextmanager
def page_style() -> Iterator[None]:
    """Let figures drawn in this context take colours and font from the page that embeds them."""
    with plain_words():
        rcParams.update({"text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK})
        rcParams.update({"xtick.color": _INK, "ytick.color": _INK, "font.size": 9})
        rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "multihead"})
        yield


def inline_svg(figure: Figure, description: str) -> str:
    """Return a figure that was drawn in `page_style` as an SVG element.

    Args:
        figure: The figure. Its background becomes transparent.
        description: Description of the figure for screen readers.
    """
    file = io.StringIO()
    with page_style():
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = _TAG.sub(lambda tag: tag[0].replace(_INK, "currentColor"), file.getvalue())
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    label = f'<svg role="img" aria-label="{escape(one_line(description))}"'
    return text.replace("<svg", label, 1)


def png_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture uint8 [H, W] or [H, W, 3] as a data URI."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
