"""Whatever a text holds, what is shown of it is text."""

import csv
import io
import json
import math
import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.hostile.names import FORMULAS, LONG, NAMES

from multihead.markdown import escaped, fenced
from multihead.spreadsheet import csv_text, defused, json_text
from multihead.text import lines, message, one_line

# Hypothesis draws mostly letters; what is to be escaped is drawn as often.
_ODD = "\x00\x07\x1b\x7f\x85\x9b\u200b\u202e\u2028\u2066\ufeff\ud800\U000e0041\r\n\t"
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(_ODD + "=+-@,;\"' \uff1d")))


def is_safe(text: str) -> bool:
    """Return whether a terminal shows all of a text, and obeys none of it."""
    return all(character.isprintable() or character == "\n" for character in text)


@given(TEXTS)
def test_one_line_is_one_line_and_stays_as_it_is(text: str) -> None:
    shown = one_line(text)
    assert shown.isprintable()
    shown.encode()
    assert one_line(shown) == shown
    assert lines(text).count("\n") == text.count("\n")
    assert is_safe(lines(text).replace("\t", ""))


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_a_text_that_can_be_seen_is_not_changed(text: str) -> None:
    hidden = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    assert one_line(text) == text or set(text) & set(hidden)


@given(TEXTS, st.integers(3, 40))
def test_a_shortened_text_keeps_its_ends(text: str, most: int) -> None:
    whole, short = one_line(text), one_line(text, most)
    assert len(short) <= most
    if len(whole) > most:
        head, tail = short.rsplit("…", 1) if short.count("…") == 1 else (short[:1], short[-1:])
        assert whole.startswith(head)
        assert whole.endswith(tail)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_message_is_one_line_of_bounded_length(name: str) -> None:
    said = message(f"there is no run {name}; list them with `multihead runs`.")
    assert said.isprintable()
    assert len(said) <= 2000
    assert said.startswith("there is no run ")
    assert said.endswith("list them with `multihead runs`.")


@given(TEXTS)
def test_no_cell_runs_whatever_delimiter_is_set(text: str) -> None:
    (cell,) = next(
        csv.reader(io.StringIO(csv_text(pd.DataFrame({"a": [f"x{text}"]}, dtype="object"))[2:]))
    )
    for part in defused(text).replace(";", ",").split(","):
        first = unicodedata.normalize("NFKC", part.strip(' "')[:1])
        assert first[:1] not in ("=", "@")
        if first[:1] in ("+", "-"):
            assert not set(part) & set("(|!")
    assert is_safe(cell)


@pytest.mark.parametrize("formula", FORMULAS, ids=ascii)
def test_a_formula_gets_an_apostrophe(formula: str) -> None:
    assert "'" in defused(formula)


@pytest.mark.parametrize("number", ["-0.5", "+1e-3", "-.5", "-0.5 Hz", "-inf", "[0.1, -0.5]"])
def test_a_number_stays_a_number_also_as_text(number: str) -> None:
    assert defused(number) == number


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_exact_in_csv_and_json(values: list[float]) -> None:
    table = pd.DataFrame({"test/acc": values})
    assert [row["test/acc"] for row in json.loads(json_text(table))] == values
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert [float(row[0]) for row in rows[1:]] == values


@given(TEXTS)
def test_json_is_exact_and_shows_no_control_character(text: str) -> None:
    shown = json_text(pd.DataFrame({"name": pd.Series([text], dtype="object")}))
    assert is_safe(shown)
    assert json.loads(shown) == [{"name": text}]


def test_json_has_slashes_and_letters_as_they_are_and_null_for_no_number() -> None:
    shown = json_text(pd.DataFrame({"test/größe": [0.1 + 0.2, math.nan, math.inf]}))
    assert '"test/größe": 0.30000000000000004' in shown
    assert [row["test/größe"] for row in json.loads(shown)] == [0.1 + 0.2, None, None]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_markdown_shows_a_name_and_nothing_else(name: str) -> None:
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    for text in (escaped(name), f"- {escaped(name)}", fenced(name), f"|a|\n|-|\n|{escaped(name)}|"):
        page = reader.render(text)
        assert not {"<img", "<a ", "<script", "<style", "<svg", "<h1"} & set(_tags(page))
        assert is_safe(page.replace("\t", ""))


def _tags(page: str) -> list[str]:
    return [tag for tag in ("<img", "<a ", "<script", "<style", "<svg", "<h1") if tag in page]


def test_a_long_name_is_short_in_every_place() -> None:
    assert all(len(one_line(name, 120)) == 120 for name in LONG)
