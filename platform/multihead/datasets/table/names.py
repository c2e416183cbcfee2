"""Make unique column names, and legal head names from them."""

import re
from collections.abc import Iterable, Sequence

from multihead.text import one_line
from multihead.vimh.mapping import head_name

_SEVERAL = re.compile(r"_+")
_LONGEST = 80  # bytes of a head's name, with room for a number


def different(names: Sequence[str]) -> list[str]:
    """Return unique names of columns.

    Surrounding white space is removed. A column without a name is called `column 1` by its
    position. If two names are equal, the second becomes `name (2)`.
    """
    taken: set[str] = set()
    found = []
    for place, name in enumerate(names, start=1):
        word = one_line(name).strip() or f"column {place}"
        found.append(_free(word, taken, "{} ({})"))
    return found


def head_names(titles: Iterable[str]) -> dict[str, str]:
    """Return a legal and unique head name for each column name."""
    taken: set[str] = set()
    return {title: _free(_legal(title), taken, "{}_{}") for title in titles}


def _legal(title: str) -> str:
    name = head_name(title)
    if name != title:
        name = _SEVERAL.sub("_", name).strip("_")
    return name.encode()[:_LONGEST].decode(errors="ignore")


def _free(word: str, taken: set[str], form: str) -> str:
    name, number = word, 1
    while name in taken:
        number += 1
        name = form.format(word, number)
    taken.add(name)
    return name
