"""Words for splits in columns and in the names of files and folders."""

import re
from collections.abc import Iterable

TRAIN, VALIDATION, TEST = 0, 1, 2
WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
_BETWEEN = re.compile(r"[\W_]+")


def split_of(word: str) -> int | None:
    """Return the split that a cell or folder name stands for: 0, 1, 2 or None."""
    return WORDS.get(word.strip().casefold())


def split_in(name: str) -> int | None:
    """Return the split that is a word of a name, such as `train_labels`, or None."""
    found = {split_of(word) for word in _BETWEEN.split(name)} - {None}
    return found.pop() if len(found) == 1 else None


def have_training(splits: Iterable[int | None]) -> bool:
    """Return whether all of these are splits, and one of them is training."""
    known = list(splits)
    return None not in known and TRAIN in known
