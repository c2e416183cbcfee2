"""Several labels in one cell: `red|round`, lists, and which text is of that kind at all."""

import re
from collections.abc import Sequence

from multihead.datasets.table.cells import Cell

SEPARATORS = ("|", ";", ",", " ")
_LOOKED_AT = 5000  # distinct cells that tell whether they are tags
_LIST = re.compile(r"[\[({](.*)[\])}]", re.DOTALL)
_QUOTED = re.compile(r"""^(["'])(.*)\1$""", re.DOTALL)


def tags_of(cell: Cell, separator: str | None) -> tuple[str, ...]:
    """Return the tags of a cell, each once; a list written as text, `['a', 'b']`, is a list."""
    if isinstance(cell, tuple):
        parts: Sequence[str] = cell
    elif inner := _LIST.fullmatch(cell):
        parts = inner[1].split(",")
    else:
        parts = cell.split(separator) if separator else [cell]
    found = (_QUOTED.sub(r"\2", part.strip()).strip() for part in parts)
    return tuple(dict.fromkeys(tag for tag in found if tag))


def separator_of(cells: Sequence[Cell]) -> str | None:
    """Return what stands between the tags of cells, or None where none has two."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    return next((mark for mark in SEPARATORS if any(mark in text for text in texts)), None)


def looks_like_tags(cells: Sequence[Cell]) -> bool:
    """Tell whether distinct cells are combinations of tags.

    Lists and cells with `|` are. With another separator, tags must make more cells than there are
    tags, and half of them must be a cell alone: `dark red` and `light red` are classes.
    """
    cells = cells[:_LOOKED_AT]
    texts = [cell for cell in cells if isinstance(cell, str)]
    if len(texts) < len(cells) or any("|" in text for text in texts):
        return True
    if texts and all(_LIST.fullmatch(text) for text in texts):
        return True
    separator = separator_of(texts)
    if separator is None:
        return False
    split = [tags_of(text, separator) for text in texts]
    tags = {tag for cell in split for tag in cell}
    alone = {cell[0] for cell in split if len(cell) == 1}
    return len(tags) < len(split) and 2 * len(alone & tags) >= len(tags)
