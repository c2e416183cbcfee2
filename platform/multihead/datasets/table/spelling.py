"""Find words that are probably one word, written in two ways."""

from collections.abc import Iterable

from multihead.text import one_line


def written_twice(words: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of different words that differ only in case or in spaces.

    Args:
        words: Any words, such as classes or groups.

    Returns:
        A pair for each word that is like an earlier one, which is the first of the pair.
    """
    first: dict[str, str] = {}
    found = []
    for word in dict.fromkeys(words):
        other = first.setdefault("".join(word.casefold().split()), word)
        if other != word:
            found.append((other, word))
    return found


def shown_pair(pair: tuple[str, str]) -> str:
    """Return a pair of words for a message."""
    return " and ".join(repr(one_line(word, 40)) for word in pair)
