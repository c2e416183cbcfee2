"""Tables and words as Markdown, in which no name of the user's becomes markup."""

import re

import pandas as pd

from multihead.text import lines, one_line

# What every dialect lets a backslash escape, and what only a number of HTML does.
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!])")
_HTML = re.compile(r"[<>&$]|(?<=\w):(?=//)|(?<=www)\.|(?<=\w)@(?=\w)")
_MOST = 1000


def escaped(text: str) -> str:
    """Return text that shows as it is, on one line: no picture is loaded, nothing is a link."""
    text = _SPECIAL.sub(r"\\\1", one_line(text, _MOST).strip())
    return _HTML.sub(lambda found: f"&#{ord(found[0])};", text)


def table(frame: pd.DataFrame) -> str:
    """Return a table; numbers are flush right and have six digits at most."""
    numeric = [pd.api.types.is_numeric_dtype(frame[column]) for column in frame]
    rows = [
        [escaped(str(column)) for column in frame.columns],
        ["---:" if right else "---" for right in numeric],
        *([_cell(value) for value in row] for row in frame.itertuples(index=False)),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def code(text: str) -> str:
    """Return text as code within a line, whatever backticks it has."""
    text = one_line(text, _MOST).strip()
    ticks, space = _ticks(text, least=1), " " * ("`" in text)
    return f"{ticks}{space}{text}{space}{ticks}"


def line_by_line(*texts: str) -> str:
    """Return one paragraph in which each text begins a line."""
    return "  \n".join(texts)


def fenced(text: str, language: str = "") -> str:
    """Return a block of code, whatever backticks the text has."""
    text = lines(text)
    fence = _ticks(text, least=3)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _ticks(text: str, least: int) -> str:
    """Return more backticks than stand together anywhere in a text."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _cell(value: object) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else escaped(str(value))
