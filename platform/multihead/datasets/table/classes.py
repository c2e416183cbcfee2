"""Make heads of classes and tags from columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.table.cells import Column
from multihead.datasets.table.choices import Choice
from multihead.datasets.table.inference import BINARY, NO, YES
from multihead.datasets.table.known import Known
from multihead.datasets.table.made import Made, WantedHead, listed
from multihead.datasets.table.tags import separator_of, tags_of
from multihead.errors import ConfigError, DataError
from multihead.heads import KINDS, Head
from multihead.heads.kinds.multilabel import Multilabel
from multihead.text import one_line

_WORDS = {"false": [no for no, _ in BINARY], "true": [yes for _, yes in BINARY]}


def classification(wanted: WantedHead) -> Made:
    """Make classes: the given ones, all integers of the range, or the sorted texts."""
    names = wanted.choice.class_texts
    if names:
        return _of_classes(wanted, names, places(wanted, names))
    numbers = wanted.known.numbers
    if not numbers.are_numbers.all() or numbers.coded:
        found, codes = np.unique(np.array(wanted.known.texts), return_inverse=True)
        return _of_classes(wanted, found.tolist(), codes)
    values, codes = np.unique(numbers.values, return_inverse=True)
    span = values[-1] - values[0] + 1
    if numbers.whole and span == len(values) > 1:
        wanted.check_count(len(values))
        head = Head(wanted.name, len(values), first=int(values[0]), title=wanted.title)
        return wanted.with_labels(head, codes.astype(np.int64))
    return _of_classes(wanted, [f"{value:.15g}" for value in values], codes)


def _of_classes(wanted: WantedHead, names: Sequence[str], codes: NDArray[Any]) -> Made:
    wanted.check_count(len(names))
    head = Head(wanted.name, len(names), tuple(names), title=wanted.title)
    return wanted.with_labels(head, codes.astype(np.int64))


def places(wanted: WantedHead, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of each label among given classes, [V], by equal text or equal number.

    YAML reads `no` and `yes` as booleans. So `false` and `true` match all words for no and yes, and
    all pairs of such words match each other.

    Raises:
        DataError: If a label is not one of the classes. The message names the first row.
    """
    place_of: dict[str | float, int] = {}
    for place, text in enumerate(classes):
        place_of[text] = place
    words = tuple(text.casefold() for text in classes)
    alike = list(zip(*BINARY, strict=True)) if words in BINARY else []
    for place, text in enumerate(classes):
        same = alike[place] if alike else _WORDS.get(text, ())
        for other in (_float(text), text.casefold(), *same):
            if other is not None:
                place_of.setdefault(other, place)
    found = np.full(len(wanted.known.texts), -1, np.int64)
    numbers = wanted.known.numbers.values.tolist()
    for index, (text, number) in enumerate(zip(wanted.known.texts, numbers, strict=True)):
        known = (text, number, text.casefold())
        found[index] = next((place_of[word] for word in known if word in place_of), -1)
    unknown = np.flatnonzero(found < 0).tolist()
    if unknown:
        raise wanted.refuse(
            unknown, f"which {{IS}} not among {listed(classes)}", "add it to the classes"
        )
    return found


def binary(wanted: WantedHead) -> Made:
    """Make no and yes: the given classes, words with this meaning, or two sorted texts."""
    names, codes = _no_and_yes(wanted)
    head = Head(wanted.name, 2, tuple(names), kind=KINDS["binary"], title=wanted.title)
    return wanted.with_labels(head, codes)


def _no_and_yes(wanted: WantedHead) -> tuple[Sequence[str], NDArray[np.int64]]:
    given, texts = wanted.choice.class_texts, wanted.known.texts
    if given:
        if len(given) != 2:
            raise ConfigError(
                f"data.columns.{wanted.name} is binary with {len(given)} classes; give two: no, "
                f"then yes."
            )
        return given, places(wanted, given)
    words = [text.casefold() for text in texts]
    pair = next((pair for pair in BINARY if set(words) <= set(pair)), None)
    if pair is not None:
        codes = np.array([pair.index(word) for word in words], np.int64)
        return [word.removesuffix(".0") for word in pair], codes
    if set(words) <= NO | YES:  # words of several pairs
        return ["no", "yes"], np.array([int(word in YES) for word in words], np.int64)
    if len(texts) != 2:
        raise DataError(
            f"{wanted.where} has {len(texts):,} values, {listed(texts)}, so it cannot be binary; "
            f"name two in data.columns.{wanted.name}.classes and the others in missing."
        )
    names = sorted(texts)
    return names, np.array([names.index(text) for text in texts], np.int64)


def multilabel(wanted: WantedHead) -> Made:
    """Make tags, sorted or as given. If "" is given, an empty cell means no tag."""
    separator = separator_of(wanted.known.values)
    given = tuple(tag for tag in wanted.choice.class_texts if tag)
    # A cell that equals a given tag is not divided, such as `dark red` if no cell has two tags.
    cells = [(c,) if c in given else tags_of(c, separator) for c in wanted.known.values]
    tags = given or tuple(sorted({tag for cell in cells for tag in cell}))
    wanted.check_count(len(tags), "tags", least=1)
    place_of = {tag: place for place, tag in enumerate(tags)}
    rows = np.zeros((len(cells), len(tags)), np.float32)
    for row, cell in enumerate(cells):
        unknown = [tag for tag in cell if tag not in place_of]
        if unknown:
            what = f"where {one_line(unknown[0], 60)!r} is not among {listed(tags)}"
            raise wanted.refuse([row], what, "add it to the classes")
        rows[row, [place_of[tag] for tag in cell]] = 1
    head = Head(wanted.name, kind=Multilabel(tags=tags), title=wanted.title)
    return wanted.with_labels(head, rows)


def grouped(name: str, title: str, columns: Sequence[Column], choices: Sequence[Choice]) -> Made:
    """Make one head of tags from columns of 0 and 1, yes and no or similar.

    A missing cell means that the tag of that row is unknown.

    Args:
        name: Name of the head.
        title: Title of the head, for people.
        columns: One column per tag.
        choices: The choices of each column.

    Raises:
        DataError: If a column does not have two values.
    """
    told = []
    for column, choice in zip(columns, choices, strict=True):
        known = Known.of(column, choice)
        words = {text.casefold() for text in known.texts}
        if not choice.classes and not words <= NO | YES:
            raise DataError(
                f"column {column.name!r} is part of data.columns.{title}, but has "
                f"{listed(known.texts[:3])}; its values must be 0 and 1, or yes and no."
            )
        labels = binary(WantedHead(name, known, choice)).labels
        told.append(np.where(labels < 0, np.nan, labels).astype(np.float32))
    kind = Multilabel(tags=tuple(column.name for column in columns))
    return Made(Head(name, kind=kind, title="" if title == name else title), np.stack(told, 1))


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
