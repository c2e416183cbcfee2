"""Words for splits, in columns and in names of files and folders."""

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
    """Return the split that a cell or a folder's name means: 0, 1 or 2, or None."""
    return WORDS.get(word.strip().casefold())


def split_in(name: str) -> int | None:
    """Return the split that a name has among its words, such as `train_labels`, or None."""
    found = {split_of(word) for word in _BETWEEN.split(name)} - {None}
    return found.pop() if len(found) == 1 else None


def have_training(splits: Iterable[int | None]) -> bool:
    """Tell whether all of these are splits, and one of them is for training."""
    known = list(splits)
    return None not in known and TRAIN in known
