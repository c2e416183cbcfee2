"""Reading tables: every cell as text, whatever the file."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from multihead.datasets.table import limits
from multihead.datasets.table.cells import Cell
from multihead.datasets.table.files import read_table
from multihead.errors import DataError


def read(folder: Path, raw: bytes, name: str = "x.csv") -> dict[str, list[Cell]]:
    (folder / name).write_bytes(raw)
    found = read_table(folder / name)
    return {column.name: column.cells() for column in found.columns.values()}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"a,b\n1,x y\n", "x.csv"),
        (b"a;b\n1;x y\n", "x.csv"),
        (b"a\tb\n1\tx y\n", "x.csv"),
        (b"a\tb\r\n1\tx y\r\n", "x.TSV"),
        (b"sep=;\r\na;b\r\n1;x y\r\n", "x.csv"),
        (b"\xef\xbb\xbfa,b\n1,x y\n", "x.csv"),
        ("a\tb\n1\tx y\n".encode("utf-16"), "x.csv"),
        (b' a , b \n 1 ," x y"\n\n', "x.csv"),
        (b'{"a": 1, "b": "x y"}\n\n', "x.jsonl"),
    ],
)
def test_a_table_of_any_form_reads_alike(tmp_path: Path, raw: bytes, name: str) -> None:
    assert read(tmp_path, raw, name) == {"a": ["1"], "b": ["x y"]}


def test_windows_text_is_read_and_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("größe,b\nä,2\n".encode("cp1252"))
    found = read_table(tmp_path / "x.csv")
    assert list(found.columns) == ["größe", "b"]
    assert any("Windows-1252" in note for note in found.notes)


def test_delimiters_within_cells_do_not_count(tmp_path: Path) -> None:
    assert read(tmp_path, b"file;temp\n1.png;20,5\n2.png;21,5\n")["temp"] == ["20,5", "21,5"]
    assert read(tmp_path, b'file,tags\n1.png,a;b;c\n2.png,"a,b"\n')["tags"] == ["a;b;c", "a,b"]


def test_columns_without_a_name_or_with_the_same_get_one(tmp_path: Path) -> None:
    assert list(read(tmp_path, b",a,a,\n1,2,3,4\n")) == ["column 1", "a", "a (2)", "column 4"]


def test_lists_numbers_and_nothing_of_json_lines(tmp_path: Path) -> None:
    lines = [{"a": ["x", "y"], "b": True, "c": 1.5}, {"a": [], "b": None}, {"c": 2}]
    raw = "\n".join(json.dumps(line) for line in lines).encode()
    found = read(tmp_path, raw, "x.jsonl")
    assert found == {"a": [("x", "y"), (), ""], "b": ["true", "", ""], "c": ["1.5", "", "2"]}


def test_free_text_of_json_lines_may_have_any_line_separator_of_unicode(tmp_path: Path) -> None:
    """`json` and pandas write these characters as they are if the text is not kept to ASCII."""
    note = "a\u2028b\u2029c\u0085d"
    raw = "\r\n".join(json.dumps({"n": note}, ensure_ascii=False) for _ in range(2)).encode()
    assert read(tmp_path, raw, "x.jsonl") == {"n": [note, note]}


def test_parquet_has_types_and_leaves_out_what_is_no_label(tmp_path: Path) -> None:
    columns = {
        "n": pa.array([1, None, 3]),
        "x": pa.array([0.5, float("nan"), 2.0]),
        "tags": pa.array([["a"], ["a", "b"], None]),
        "kind": pa.array(["p", "q", "p"]).dictionary_encode(),
        "image": pa.array([b"1", b"2", b"3"]),
    }
    parquet.write_table(pa.table(columns), tmp_path / "x.parquet")
    found = read_table(tmp_path / "x.parquet")
    cells = {column.name: column.cells() for column in found.columns.values()}
    assert cells == {
        "n": ["1", "", "3"],
        "x": ["0.5", "", "2.0"],
        "tags": [("a",), ("a", "b"), ""],
        "kind": ["p", "q", "p"],
    }
    assert any("'image'" in note for note in found.notes)


@pytest.mark.parametrize(
    ("raw", "name", "said"),
    [
        (b"a,b\n1,2\n3\n", "x.csv", "row 2 has 1 cells"),
        (b"a,b\n1,2\n3,4,5\n", "x.csv", "row 2 has 3 cells"),
        (b'a,b\n1,"2\n', "x.csv", "row 1"),
        (b"", "x.csv", "is empty"),
        (b"a,b\n", "x.csv", "no rows"),
        (b"a,b\n1,\x81\n", "x.csv", "neither in UTF-8 nor"),
        (b"a,b\n1,\x00\n", "x.csv", "zero bytes"),
        (b'{"a": 1}\n{"a":\n', "x.jsonl", "line 2 is no JSON"),
        (b"[1]\n", "x.jsonl", "line 1 is no object"),
        (b'{"a": {"b": 1}}\n', "x.jsonl", "holds objects"),
        (b"[" * 100_000, "x.jsonl", "line 1 is no JSON"),
        (b"PAR1xxxx", "x.parquet", "no Parquet file"),
        (b"x", "x.xlsx", "save spreadsheets as CSV"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(
    tmp_path: Path, raw: bytes, name: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, raw, name)


def test_larger_tables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CELLS", 3)
    with pytest.raises(DataError, match="2 rows of 2 columns; at most"):
        read(tmp_path, b"a,b\n1,2\n3,4\n")
