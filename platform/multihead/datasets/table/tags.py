"""Read several labels in one cell, such as `red|round` or lists, and detect such cells."""

import re
from collections.abc import Sequence

from multihead.datasets.table.cells import Cell

SEPARATORS = ("|", ";", ",", " ")
_LOOKED_AT = 5000  # distinct cells that decide whether they are tags
_LIST = re.compile(r"[\[({](.*)[\])}]", re.DOTALL)
_QUOTED = re.compile(r"""^(["'])(.*)\1$""", re.DOTALL)


def tags_of(cell: Cell, separator: str | None) -> tuple[str, ...]:
    """Return the unique tags of a cell. Text such as `['a', 'b']` is read as a list."""
    if isinstance(cell, tuple):
        parts: Sequence[str] = cell
    elif inner := _LIST.fullmatch(cell):
        parts = inner[1].split(",")
    else:
        parts = cell.split(separator) if separator else [cell]
    found = (_QUOTED.sub(r"\2", part.strip()).strip() for part in parts)
    return tuple(dict.fromkeys(tag for tag in found if tag))


def separator_of(cells: Sequence[Cell]) -> str | None:
    """Return the separator between the tags of cells, or None if no cell has two tags."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    return next((mark for mark in SEPARATORS if any(mark in text for text in texts)), None)


def looks_like_tags(cells: Sequence[Cell]) -> bool:
    """Return whether distinct cells are combinations of tags.

    Lists and cells with `|` are. With another separator, there must be more distinct cells than
    tags, and half of the tags must occur alone in a cell. So `dark red` and `light red` are
    classes.
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
