"""What a column is follows from its values, and from what the user says of it."""

from pathlib import Path

import numpy as np
import pytest

from multihead.datasets.parameter_table import ColumnRules, ParameterTable, read_table
from multihead.errors import ConfigError, DataError

NONE = ColumnRules()
TEXT = """file,kind,count,gain,still,note
a.png,tom,3,0.5,1.5,20
b.png,snare,5,2,1.5,60
c.png,tom,4,1.25,1.5,90
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "p.csv"
    path.write_text(TEXT)
    return path


def read(path: Path, text: str, rules: ColumnRules = NONE) -> ParameterTable:
    path.write_text(text)
    return read_table(path, rules)


def test_columns_become_classes_or_parameters_by_their_values(path: Path) -> None:
    table = read_table(path, NONE)
    assert table.files == ("a.png", "b.png", "c.png")
    assert table.heads["kind"].classes == ("snare", "tom")
    assert table.codes["kind"].tolist() == [1, 0, 1]
    assert (table.heads["count"].num_classes, table.heads["count"].first) == (3, 3)
    assert table.codes["count"].tolist() == [0, 2, 1]
    gain = table.heads["gain"]
    assert gain.kind.name == "ordinal"
    assert gain.decode(table.codes["gain"]) == pytest.approx([0.5, 2, 1.25], abs=0.004)
    assert table.heads["note"].kind.name == "ordinal", "71 whole numbers apart are no classes"
    assert table.fixed == {"still": 1.5}


def test_the_user_has_the_last_word(path: Path) -> None:
    rules = ColumnRules(
        classes=frozenset({"note"}),
        ranges={"gain": (0.1, 10), "count": (0, 10)},
        log=frozenset({"gain"}),
        units={"count": "keys"},
    )
    heads = read_table(path, rules).heads
    assert (heads["note"].num_classes, heads["note"].first) == (71, 20)
    assert heads["gain"].parameter is not None
    assert (heads["gain"].parameter.scale, heads["gain"].parameter.maximum) == ("log", 10)
    assert (heads["count"].unit, heads["count"].kind.name) == ("keys", "ordinal")


def test_a_range_keeps_a_constant_column_as_a_head(path: Path) -> None:
    table = read_table(path, ColumnRules(ranges={"still": (0, 3)}))
    assert table.fixed == {}
    assert np.unique(table.codes["still"]).tolist() == [128]


def test_numbers_with_a_point_are_no_classes_unless_told(path: Path) -> None:
    text = "f,x\na,1.0\nb,2.0\n"
    assert read(path, text).heads["x"].kind.name == "ordinal"
    told = read(path, text, ColumnRules(classes=frozenset({"x"})))
    assert told.heads["x"].classes == ("1.0", "2.0")


def test_names_of_any_script_become_heads(path: Path) -> None:
    assert list(read(path, "\ufefffile,höhe (m)\na,1.5\nb,2.5\n").heads) == ["höhe__m_"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a line with the names"),
        ("file\na.png\n", "needs a line with the names"),
        ("file,x\n", "needs a line with the names"),
        ("file,x\na.png,1\nb.png\n", "row 2 has 1 values; there are 2 columns"),
        ("file,x\na.png,1\nb.png,  \n", "row 2 has 1 values"),
        ("file,x,x\na.png,1,2\nb.png,2,3\n", "need different names"),
        ("file,x\na.png,7\nb.png,7\n", "has no column that varies"),
        ("file,x\na.png,no\nb.png,no\n", "is 'no' in every row"),
        ('file,x\na.png,"1\n', "cannot be read as CSV"),
        ("file,x\n" + "".join(f"{i},w{i}\n" for i in range(300)), "300 classes; 2 to 256"),
    ],
)
def test_a_table_that_is_none_says_where(path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(path, text)


@pytest.mark.parametrize("bad", ["nan", "inf", "1_0", "1e999", "0x10"])
def test_what_only_looks_like_a_number_is_text(path: Path, bad: str) -> None:
    assert read(path, f"f,x\na,1.5\nb,{bad}\n").heads["x"].kind.name == "classification"
    with pytest.raises(DataError, match=r"in row 2; no number"):
        read(path, f"f,x\na,1.5\nb,{bad}\n", ColumnRules(ranges={"x": (0, 100)}))


def test_values_outside_a_given_range_are_named(path: Path) -> None:
    with pytest.raises(DataError, match="'gain' has 2 in row 2, outside 0 to 1"):
        read_table(path, ColumnRules(ranges={"gain": (0, 1)}))
    with pytest.raises(DataError, match="cannot be log"):
        read(path, "f,x\na,-1.5\nb,2\n", ColumnRules(log=frozenset({"x"})))


def test_rules_for_columns_that_are_not_there_are_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="has no column 'gian'"):
        read_table(path, ColumnRules(log=frozenset({"gian"})))
    with pytest.raises(ConfigError, match="'count' cannot be classes and have a range"):
        read_table(path, ColumnRules(frozenset({"count"}), {"count": (0, 1)}))


def test_bytes_that_are_no_utf8_are_refused(path: Path) -> None:
    path.write_bytes(b"file,x\n\xff\xfe,1\nb,2\n")
    with pytest.raises(DataError, match="cannot be read as CSV in UTF-8"):
        read_table(path, NONE)
