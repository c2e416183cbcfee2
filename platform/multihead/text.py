"""Make text from untrusted sources safe to display.

Names, notes, values and errors come from stores, files and users. Code that displays them uses this
module. So they cannot move the cursor, change the writing direction or add lines.
"""

import math
from collections.abc import Iterable
from difflib import get_close_matches

# Unicode's categories call these letters, marks or symbols, but they are invisible.
_BLANK = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0})
_SELECTORS = (range(0x180B, 0x1810), range(0xE0100, 0xE01F0))  # without those of emoji
_MOST_OF_A_WORD = 300
KEYS_PAGE = "docs/configuration.md"
_MOST_OF_A_MESSAGE = 2000


class _Shown(dict[int, str]):
    """The replacement of each character, by its code point; filled on first use."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character.isspace():
            found = " "
        elif not character.isprintable() or code in _BLANK or any(code in s for s in _SELECTORS):
            found = _escape(code)
        else:
            found = character
        self[code] = found
        return found


_ONE_LINE = _Shown()
_LINES = _Shown({ord(kept): kept for kept in "\n\t"})


def one_line(text: str, most: int | None = None) -> str:
    r"""Return text on one line, with visible characters only.

    Each white-space character becomes a space. Control characters, direction marks, invisible
    characters and lone surrogates become Python's escape sequences, such as `\x1b`.

    Args:
        text: Any text.
        most: Limit of the length. The middle of a longer text is left out; None for no limit.
    """
    return shortened(text.translate(_ONE_LINE), most)


def lines(text: str) -> str:
    """Return text like `one_line`, but keep line ends and tabs."""
    return text.translate(_LINES)


def is_whole(text: str) -> bool:
    """Return whether a text can be written to a file: it has no lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def shortened(text: str, most: int | None) -> str:
    """Return text of at most `most` characters; an ellipsis replaces the middle of a longer one."""
    if most is None or len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def message(text: str) -> str:
    """Return a message on one line, shortened to 2,000 characters, and its words to 300."""
    words = (shortened(word, _MOST_OF_A_WORD) for word in one_line(text).split())
    return shortened(" ".join(words), _MOST_OF_A_MESSAGE)


def _escape(code: int) -> str:
    r"""Return Python's escape sequence of a character: `\x1b`, `\u202e`, `\U000e0001`."""
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def nearest(word: object, words: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest of the words, or an empty text."""
    found = get_close_matches(str(word), [str(w) for w in words], n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""


def some_of(word: object, words: Iterable[str], page: str = KEYS_PAGE, most: int = 6) -> str:
    """Return the words that can be meant, the nearest first, and where all of them are listed.

    Args:
        word: What was written.
        words: What could be written.
        page: Where a person finds all of them.
        most: How many to return; two more are returned if there are no others.
    """
    known = [str(each) for each in words]
    if len(known) <= most + 2:
        return ", ".join(known)
    near = get_close_matches(str(word), known, n=most, cutoff=0.4)
    shown = [*near, *(each for each in known if each not in near)][:most]
    return f"{', '.join(shown)} and {len(known) - most} more, see {page}"


def decimals_of(values: Iterable[float], digits: int) -> int:
    """Return how many decimals show so many digits of the largest of some values.

    Values that stand side by side are rounded to the same decimal, so that one that is nearly 0
    does not become `-1.67e-06` beside 0.42.
    """
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return digits if not largest else min(max(digits - 1 - math.floor(math.log10(largest)), 0), 12)


def rounded(value: float, decimals: int, *, sign: str = "-") -> str:
    """Return a number with so many decimals, never `-0`; nothing for what is no number.

    Args:
        value: The number.
        decimals: As `decimals_of` returns them.
        sign: `+` shows the sign of positive numbers too.
    """
    # Adding 0.0 keeps what rounds to zero from a sign of its own.
    return "" if math.isnan(value) else f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"
