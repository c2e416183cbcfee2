"""Infer from its cells what a column becomes. The user's choice overrides this."""

import re
from dataclasses import dataclass

import numpy as np

from multihead.datasets.table.choices import typed_list
from multihead.datasets.table.known import Known
from multihead.datasets.table.numbers import lone_value, read_numbers
from multihead.datasets.table.tags import looks_like_tags
from multihead.text import one_line

# Pairs of words: no first, then yes. Compared without case.
BINARY = (
    *(("no", "yes"), ("false", "true"), ("0", "1"), ("n", "y"), ("f", "t"), ("0.0", "1.0")),
    *(("nein", "ja"), ("non", "oui"), ("no", "sí"), ("no", "si"), ("não", "sim"), ("nee", "ja")),
)
NO, YES = (frozenset(words) for words in zip(*BINARY, strict=True))
# Text that stands for an unknown value.
_UNKNOWN = frozenset(
    {
        *("unknown", "unk", "missing", "undefined", "not available", "unbekannt", "nd", "n.d."),
        # What spreadsheets write for a formula that failed.
        *("#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
    }
)
MOST_CLASSES = 1000
_SHORT = 32  # integers that span at most this are classes
_NEARLY = 0.9  # share of distinct values above which a column has ids, dates or notes
_MIXED = 0.5  # share of numbers among values from which text among them is noted
_FEW = 10
_BOUND = re.compile(r"[<>\u2264\u2265]")  # as in `<0.5`, below what could be measured
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_TIME = r"\d{1,2}:\d{2}(:\d{2})?.{0,25}"
_DATE = re.compile(
    rf"(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](\d{{4}}|\d{{2}})"
    rf"|\d{{1,2}}[- ./]*{_MONTH}[- ,/]*(\d{{4}}|\d{{2}})|{_MONTH} *\d{{1,2}},? *\d{{4}})"
    rf"([T ]{_TIME})?"
    rf"|{_TIME}",
    re.ASCII | re.IGNORECASE,
)
# 20210331
_EIGHT_DIGITS = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", re.ASCII)
_DECADES = 1e4  # ratio of largest to smallest number from which a logarithm may be better
_ID = re.compile(r"(^|[\W_])(id|ids|uid|uuid|guid|idx|index|key|nr|no)([\W_]|$)", re.IGNORECASE)
_ID_AT_END = re.compile(r"[a-z](ID|Id|Nr|No|Idx)$")


@dataclass(frozen=True)
class Verdict:
    """What a column becomes.

    Attributes:
        kind: `classification`, `binary`, `multilabel` or `regression`. None if it is ignored.
        why: The reason in a few words.
        notes: Notes for the user: sentences without the column's name.
    """

    kind: str | None
    why: str
    notes: tuple[str, ...] = ()


def infer(known: Known) -> Verdict:
    """Infer the kind of a column from its labels.

    - No label, or the same label in all rows: ignored.
    - Lists and combinations of tags: multilabel.
    - yes and no, true and false, 0 and 1, ja and nein, and mixtures of such pairs: binary.
    - Digits with a leading zero, such as 007: text. Numbers with a unit are numbers.
    - Integers of a short span, or without a gap from 0 or 1 on: classes. As many integers as rows:
      ids, ignored. Other numbers: regression.
    - Text with few values: classes. Text with nearly as many values as rows, and dates: ignored.
    """
    if not known.rows:
        return Verdict(None, "no row has a value")
    if len(known.values) == 1:
        return Verdict(None, f"{known.texts[0]!r:.60} in every row that has a value")
    if known.has_lists:
        return _of_lists(known)
    words = frozenset(text.casefold() for text in known.texts)
    if any(words == set(pair) for pair in BINARY):
        return Verdict("binary", f"{' and '.join(sorted(words))}")
    # Single letters of two pairs may mean something else, such as t and n: tumour and normal.
    told = any(len(word) > 1 for word in words) or any(words >= set(pair) for pair in BINARY)
    if words <= NO | YES and words & NO and words & YES and told:
        return Verdict("binary", f"words for no and yes: {', '.join(sorted(words))}")
    if known.numbers.coded:
        return _of_text(known)
    if all(_EIGHT_DIGITS.fullmatch(text) for text in known.texts):
        return Verdict(None, f"dates, {len(known.values):,} in {known.rows:,} rows")
    numbers = known.numbers
    if numbers.are_numbers.all():
        return _of_numbers(known)
    if numbers.are_numbers.mean() > _MIXED and not (_few_whole(known)):
        return _of_numbers_and_text(known)
    return _of_text(known)


def _of_numbers_and_text(known: Known) -> Verdict:
    places = np.flatnonzero(~known.numbers.are_numbers).tolist()
    texts = [known.texts[place] for place in places]
    first = f"numbers, but {one_line(texts[0], 60)!r} in row {known.row_of(places[0]):,}"
    bound = next((text for text in texts if _BOUND.match(text)), None)
    # Rows with a value below a limit of detection are no random ones.
    of_bound = f"write a number for {one_line(bound, 60)!r}, or " if bound else ""
    return Verdict(
        None,
        first,
        (
            f"has {first}, so it is ignored; {of_bound}name what is missing "
            f"({typed_list('{KEY}.missing', texts)}), or {{KEY}}.kind=classification",
        ),
    )


def _of_lists(known: Known) -> Verdict:
    numbers = read_numbers(sorted({one for cell in known.values for one in cell}))
    if numbers.are_numbers.all() and not numbers.whole:
        return Verdict(None, "lists of numbers", ("is ignored: it has lists of numbers",))
    return Verdict("multilabel", "lists")


def _few_whole(known: Known) -> bool:
    return known.numbers.whole and len(known.values) <= _FEW


def _of_numbers(known: Known) -> Verdict:
    numbers = known.numbers
    if numbers.problem:
        return Verdict(None, numbers.problem, (f"is ignored: {numbers.problem}",))
    notes = _lone_note(known)
    if not numbers.whole and all(text.isdecimal() for text in known.texts):
        return Verdict(None, "whole numbers of more than 15 digits, as ids have")
    if not numbers.whole:
        few = len(known.values) <= _FEW and known.rows >= 5 * len(known.values)
        hint = f"has only {len(known.values)} values; for classes: {{KEY}}.kind=classification"
        commas = ", with decimal commas" if numbers.commas else ""
        told = (*notes, *((hint,) if few else ()), *_log_note(known))
        return Verdict("regression", f"numbers{_in_unit(known)}{commas}", told)
    values = numbers.values
    span = int(values.max() - values.min()) + 1
    distinct = len(np.unique(values))
    if _are_ids(known):
        return Verdict(
            None,
            f"{distinct:,} whole numbers in {known.rows:,} rows, as ids have",
            (
                f"has {distinct:,} whole numbers in {known.rows:,} rows, as ids have, so it is "
                f"ignored; for a quantity: {{KEY}}.kind=regression",
            ),
        )
    gapless = span == distinct <= MOST_CLASSES and values.min() in (0, 1)
    if (span <= _SHORT or gapless) and known.rows >= 2 * distinct:
        return Verdict("classification", f"whole numbers, {distinct} values", notes)
    why = f"whole numbers{_in_unit(known)} from {values.min():g} to {values.max():g}"
    return Verdict("regression", why, (*notes, *_log_note(known)))


def _in_unit(known: Known) -> str:
    return f" in {known.numbers.unit}" if known.numbers.unit else ""


def _log_note(known: Known) -> tuple[str, ...]:
    """Return notes on numbers of very different sizes, and on ones that are equal in float32."""
    values = np.unique(known.numbers.values)
    notes = []
    if values[0] > 0 and values[-1] / values[0] >= _DECADES:
        notes.append(
            f"goes from {values[0]:g} to {values[-1]:g}; to learn its logarithm: {{KEY}}.log=true"
        )
    with np.errstate(over="ignore"):
        if len(np.unique(values.astype(np.float32))) < len(values):
            notes.append(
                "has numbers that differ beyond the seven digits of a float32, so some labels "
                "become equal; subtract an offset"
            )
    return tuple(notes)


def _are_ids(known: Known) -> bool:
    values = known.numbers.values
    distinct = len(np.unique(values))
    if known.numbers.unit or known.numbers.grouped:
        return False
    if distinct == known.rows:
        return True
    if distinct < _NEARLY * known.rows:
        return False
    name = known.column.name
    named = _ID.search(name) is not None or _ID_AT_END.search(name) is not None
    return named or values.max() - values.min() < 1.2 * distinct


def _lone_note(known: Known) -> tuple[str, ...]:
    lone = lone_value(np.unique(known.numbers.values))
    if lone is None:
        return ()
    place = int((known.numbers.values == lone).argmax())
    text, count = known.texts[place], int(known.counts[known.numbers.values == lone].sum())
    rows = "row" if count == 1 else "rows"
    return (
        f"has {text} in {count:,} {rows} (such as row {known.row_of(place):,}), far from all other "
        f"values; if it stands for a missing label: {typed_list('{KEY}.missing', [text])}",
    )


def _of_text(known: Known) -> Verdict:
    distinct = len(known.values)
    if all(_DATE.fullmatch(text) for text in known.texts):
        return Verdict(None, f"dates, {distinct:,} in {known.rows:,} rows")
    if looks_like_tags(known.values):
        return Verdict("multilabel", f"tags, such as {max(known.texts, key=len)!r:.60}")
    if 2 * distinct > known.rows or distinct > MOST_CLASSES:
        return Verdict(None, f"text with {distinct:,} values in {known.rows:,} rows")
    return Verdict("classification", f"text, {distinct:,} values", _unknown_note(known))


def _unknown_note(known: Known) -> tuple[str, ...]:
    text = next((text for text in known.texts if text.casefold() in _UNKNOWN), None)
    if text is None:
        return ()
    return (
        f"has the class {text!r:.40}; if it stands for a missing label: "
        f"{typed_list('{KEY}.missing', [text])}",
    )
