"""Columns become heads with labels; a person's choices come before what is inferred."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.datasets.table.own_table import becomes, opened, write_pictures, write_table

from multihead.data.source import Source
from multihead.errors import ConfigError, DataError, MultiheadError

N = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_table(
        tmp_path / "photos",
        {
            "kind": ["cat", "dog"] * 10,
            "Größe (cm)": [20 + i / 4 for i in range(N)],
            "grade": [i % 4 if i % 5 else "NA" for i in range(N)],
            "male": ["yes", "no"] * 10,
            "attr_a": [i % 2 for i in range(N)],
            "attr_b": [1 - i % 2 if i else "" for i in range(N)],
            "site": ["north"] * N,
        },
    )


def whole(folder: Path, **options: Any) -> Source:
    """Open all rows in the order of the table."""
    return opened(folder, sizes=[1.0, 0.0, 0.0], **options)


def test_heads_have_legal_names_and_the_columns_own_as_titles(folder: Path) -> None:
    heads = whole(folder).heads
    assert list(heads) == ["kind", "Größe_cm", "grade", "male", "attr_a", "attr_b"]
    assert [head.shown for head in heads.values()][1] == "Größe (cm)"
    assert heads["kind"].title == ""
    assert heads["Größe_cm"].to_record()["title"] == "Größe (cm)"


@pytest.mark.parametrize("name", ["2.5", "type", "val/acc", "ä" * 200, "__", "a b", "λ", "日本"])
def test_any_name_of_a_column_will_do(tmp_path: Path, name: str) -> None:
    heads = whole(write_table(tmp_path, {name: ["a", "b"] * 10, f"{name}.": [0, 1] * 10})).heads
    assert [head.shown for head in heads.values()] == [name, f"{name}."]


def test_labels_are_those_of_the_table(folder: Path) -> None:
    source = whole(folder)
    assert source.labels["kind"].tolist() == [0, 1] * 10
    assert source.labels["grade"].tolist() == [i % 4 if i % 5 else -1 for i in range(N)]
    assert source.labels["male"].tolist() == [1, 0] * 10
    np.testing.assert_array_equal(source.labels["Größe_cm"], [20 + i / 4 for i in range(N)])
    assert source.incomplete == {"grade", "attr_b"}


@pytest.mark.parametrize("name", ["Größe (cm)", "Größe_cm"])
def test_a_choice_names_the_column_or_its_head(folder: Path, name: str) -> None:
    choice = {"kind": "regression", "range": [0, 120], "unit": "cm"}
    head = whole(folder, columns={name: choice}).heads["Größe_cm"]
    assert (head.kind.name, head.unit, head.num_classes) == ("regression", "cm", 0)
    assert "Größe_cm" not in whole(folder, columns={name: "ignore"}).heads


def test_an_angle_has_a_period_and_a_unit_of_its_own(folder: Path) -> None:
    choice = {"kind": "angle", "period": 24, "unit": "h"}
    head = whole(folder, columns={"Größe_cm": choice}).heads["Größe_cm"]
    assert head.kind.options() == {"period": 24.0, "unit": "h"}
    with pytest.raises(ConfigError, match="period is of an angle"):
        whole(folder, columns={"Größe_cm": {"period": 24}})


@pytest.mark.parametrize(
    ("choice", "kind", "levels"),
    [
        ({"levels": 256}, "ordinal", 256),
        ({"kind": "regression", "levels": 16}, "regression", 16),
        ({"log": True}, "regression", 0),
        ({"kind": "classification"}, "classification", 20),
        ({"kind": "angle"}, "angle", 0),
        ("angle", "angle", 0),
    ],
)
def test_numbers_become_what_is_said(
    folder: Path, choice: dict[str, Any] | str, kind: str, levels: int
) -> None:
    head = whole(folder, columns={"Größe_cm": choice}).heads["Größe_cm"]
    assert (head.kind.name, head.num_classes) == (kind, levels)


def test_whole_numbers_may_be_ordinal_and_text_in_an_order(folder: Path) -> None:
    columns = {"grade": "ordinal", "kind": {"kind": "ordinal", "classes": ["dog", "cat"]}}
    source = whole(folder, columns=columns)
    assert source.heads["grade"].decode([0, 3]).tolist() == [0, 3]
    assert source.labels["kind"].tolist() == [1, 0] * 10
    assert source.heads["kind"].text(0) == "dog"


def test_given_classes_fix_their_order_and_words_that_are_missing(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"defect": ["None", "crack", "", "dent"] * 5})
    given = {"defect": {"classes": ["None", "dent", "crack"]}}
    assert whole(folder, columns=given).labels["defect"].tolist() == [0, 2, -1, 1] * 5


@pytest.mark.parametrize("classes", [["no", "yes"], [False, True], ["0", "1"]])
def test_a_checkbox_may_have_no_word_for_no(tmp_path: Path, classes: list[Any]) -> None:
    """YAML reads no and yes as truth."""
    cells = ["yes" if i % 3 else "no" for i in range(N)] if classes[0] != "0" else [0, 1] * 10
    folder = write_table(tmp_path, {"box": cells})
    labels = whole(folder, columns={"box": {"kind": "binary", "classes": classes}}).labels["box"]
    assert labels.tolist() == [int(str(cell) in ("yes", "1")) for cell in cells]
    crossed = write_table(tmp_path / "x", {"box": ["x", ""] * 10})
    given = {"box": {"kind": "binary", "classes": ["", "x"]}}
    assert whole(crossed, columns=given).labels["box"].tolist() == [1, 0] * 10


def test_a_sentinel_is_missing_when_it_is_named(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"t": [-9999.0 if i == 3 else 20 + i / 10 for i in range(N)]})
    assert any("missing=[-9999" in note for note in whole(folder).notes)
    labels = whole(folder, columns={"t": {"missing": [-9999]}}).labels["t"]
    assert np.flatnonzero(np.isnan(labels)).tolist() == [3]


def test_columns_of_0_and_1_become_tags_of_one_head(folder: Path) -> None:
    source = whole(folder, columns={"attributes": {"columns": ["attr_*", "male"]}})
    assert list(source.heads) == ["kind", "Größe_cm", "grade", "attributes"]
    assert source.heads["attributes"].kind.class_names(source.heads["attributes"]) == (
        "attr_a",
        "attr_b",
        "male",
    )
    rows = source.labels["attributes"]
    np.testing.assert_array_equal(rows[:2], [[0, np.nan, 1], [1, 0, 0]])


def test_tags_are_rows_of_0_and_1(tmp_path: Path) -> None:
    source = whole(write_table(tmp_path, {"tags": ["red|round", "", "round", "blue"] * 5}))
    np.testing.assert_array_equal(
        source.labels["tags"][:4], [[0, 1, 1], [np.nan] * 3, [0, 0, 1], [1, 0, 0]]
    )


def test_what_a_column_became_is_a_table(folder: Path) -> None:
    options = {"group_column": "attr_a", "sizes": [1.0, 0.0, 0.0]}
    found = becomes(folder, columns={"kind": "ignore"}, **options)
    assert found == {
        "file": "pictures",
        "kind": "ignored",
        "Größe (cm)": "regression",
        "grade": "classification",
        "male": "binary",
        "attr_a": "group",
        "attr_b": "binary",
        "site": "ignored",
    }


def test_what_is_constant_in_training_is_no_head(tmp_path: Path) -> None:
    parts = ["train"] * 10 + ["val"] * 5 + ["test"] * 5
    folder = write_table(
        tmp_path, {"part": parts, "a": ["x"] * 10 + ["y"] * 10, "b": ["p", "q"] * 10}
    )
    source = opened(folder)
    assert list(source.heads) == ["b"]
    assert any(note.startswith("a is ignored") for note in source.notes)
    with pytest.raises(DataError, match="'a' cannot be a head"):
        opened(folder, columns={"a": "classification"})


def test_missing_cells_of_joined_columns_are_unknown_tags(tmp_path: Path) -> None:
    folder = write_table(
        tmp_path, {"a": ["0", "1", "x", "1"] * 5, "b": ["no", "yes", "yes", "?"] * 5}
    )
    group = {"columns": ["a", "b"], "missing": ["x"]}
    labels = whole(folder, columns={"both": group}).labels["both"][:4]
    np.testing.assert_array_equal(labels, [[0, 0], [1, 1], [np.nan, 1], [1, np.nan]])
    kept = {"b": {"kind": "binary", "missing": ["no"]}}
    labels = whole(folder, columns={"both": group, **kept}).labels["both"][:4]
    np.testing.assert_array_equal(labels[:, 1], [np.nan, 1, 1, np.nan])


def test_an_ignored_column_is_no_tag_although_a_pattern_matches_it(folder: Path) -> None:
    source = whole(folder, columns={"both": {"columns": ["attr_*", "male"]}, "attr_a": "ignore"})
    assert source.heads["both"].kind.class_names(source.heads["both"]) == ("attr_b", "male")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"age": "ignore"}, "'age', but labels.csv has the columns 'file', 'kind'"),
        ({"kind": "colour"}, "data.columns.kind is 'colour'"),
        (
            {"kind": {"knid": 1}},
            r"no key 'knid' \(did you mean 'kind'\?\) in data.columns.kind; al",
        ),
        (
            {"grade.kidn": "regression"},
            r"'kidn' \(did you mean 'kind'\?\) in data.columns.grade; al",
        ),
        (
            {"Größe_cm.unitt": "m"},
            r"'unitt' \(did you mean 'unit'\?\) in data.columns.Größe_cm; al",
        ),
        ({"both": {"columns": ["attr_a"]}, "both.unt": 1}, "no key 'unt' .* in data.columns.both"),
        ({"grede": {"kind": "regression"}}, r"'grede' \(did you mean 'grade'\?\), but labels.csv"),
        ({"both": {"columns": ["atr_a"]}}, r"names 'atr_a' \(did you mean 'attr_.'\?\), but"),
        ({"kind": {"kind": "binary", "unit": "m"}}, "unit is for numbers"),
        ({"grade": {"kind": "regression", "classes": [1, 2]}}, "classes and regression"),
        ({"grade": {"range": [3, 1]}}, "the second above the first"),
        ({"grade": {"range": [0, 3], "log": True}}, "with log the range must be above 0"),
        ({"grade": {"range": [0, 2]}}, "'3' in row 4, outside 0 to 2"),
        ({"grade": {"kind": "binary"}}, "has 4 values, .* so it cannot be binary"),
        ({"kind": "regression"}, "'cat' in row 1 and 'dog' .* which are no number"),
        ({"kind": {"classes": ["cat"]}}, "'dog' in row 2, which is not among 'cat'"),
        ({"kind": "ignore", "kind ": "ignore"}, "names 'kind '"),
        ({"Größe_cm": "ignore", "Größe (cm)": "ignore"}, "'Größe .cm.' twice"),
        ({"file": "classification"}, "'file', which is the column of pictures"),
        ({"both": {"columns": ["kind", "male"]}}, "'kind' is part of .*'cat', 'dog'"),
        ({"both": {"columns": ["x_*"]}}, "names 'x_.*', but"),
        ({"both": {"columns": ["attr_*", "male"]}, "male": "ignore"}, "'male', which .* ignores"),
        (
            {"both": {"columns": ["attr_*", "male"]}, "male": {"breaks": ["hflip"]}},
            "male.breaks is given, but the column is a tag of data.columns.both",
        ),
        ({"kind": {"columns": ["male"]}}, "is a column itself"),
        ({"site": "classification"}, "'site' has 1 classes"),
    ],
)
def test_choices_that_cannot_be_are_refused_in_a_line(
    folder: Path, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(MultiheadError, match=said) as caught:
        whole(folder, columns=columns)
    assert isinstance(caught.value, ConfigError | DataError)
    assert "\n" not in str(caught.value)


def test_a_name_with_a_dot_is_that_of_a_column(tmp_path: Path) -> None:
    """Also beside a column of the name before the dot."""
    folder = write_table(tmp_path, {"a": ["x", "y"] * 6, "a.b": ["p", "q", "r"] * 4})
    assert list(opened(folder, columns={"a.b": "ignore"}).heads) == ["a"]
    ordered = opened(folder, columns={"a.b": {"classes": ["r", "q", "p"]}})
    assert ordered.heads["a_b"].classes == ("r", "q", "p")


def test_a_table_of_ids_alone_says_why_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="who: 300 whole numbers in 300 rows, as ids have"):
        whole(write_table(tmp_path, {"who": range(300)}))


def test_a_broken_transform_is_named_for_the_head(folder: Path) -> None:
    source = whole(folder, columns={"kind": {"breaks": ["hflip", "hue"]}})
    assert source.breaks == {"kind": {"hflip", "hue"}}
    with pytest.raises(ConfigError, match=r"kind.breaks is 'hflip'"):
        whole(folder, columns={"kind": {"breaks": "hflip"}})


def test_forty_columns_of_yes_and_no_are_told_to_fit_one_head(tmp_path: Path) -> None:
    write_pictures(tmp_path, [f"{i}.png" for i in range(N)])
    source = whole(write_table(tmp_path, {f"a{i}": ["yes", "no"] * 10 for i in range(40)}))
    assert len(source.heads) == 40
    assert any("40 columns are a binary head each" in note for note in source.notes)


def test_an_empty_cell_of_tags_is_missing_or_no_tag_as_is_said(tmp_path: Path) -> None:
    path = write_table(tmp_path, {"tags": ["a|b", "", "b", "NA"] * 5})
    source = whole(path)
    assert np.isnan(source.labels["tags"][1]).all()
    (note,) = [note for note in source.notes if "empty cells" in note]
    assert "5 empty cells" in note
    assert note.endswith("""'data.columns.tags.classes=[""]'""")
    said = whole(path, columns={"tags": {"classes": [""]}})
    assert said.heads["tags"].kind.class_names(said.heads["tags"]) == ("a", "b")
    np.testing.assert_array_equal(said.labels["tags"][:3], [[1, 1], [0, 0], [0, 1]])
    assert np.isnan(said.labels["tags"][3]).all()
    assert not [note for note in said.notes if "empty cells" in note]


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["Cat", "cat", "dog"], "a has the classes 'Cat' and 'cat', which differ only in case"),
        (["red|Cat", "cat", "dog"], "a has the tags 'Cat' and 'cat', which differ only in case"),
        (["dark red", "dark  red", "dog"], "a has the classes 'dark  red' and 'dark red', which"),
        (["cat", "red|cat", "dog"], None),
    ],
)
def test_words_that_differ_only_in_case_or_spaces_are_told(
    cells: list[str], note: str | None, tmp_path: Path
) -> None:
    folder = write_table(tmp_path, {"a": cells * 4})
    told = [one for one in opened(folder).notes if "only in case or spaces" in one]
    assert len(told) == (note is not None)
    assert note is None or told[0].startswith(note)


def test_ordered_text_without_its_order_is_refused_with_what_to_write(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"stage": ["II", "I", "III", "I"] * 3})
    with pytest.raises(DataError, match=r"its values are text, 'II', 'I', 'III'; give their order"):
        opened(folder, columns={"stage": "ordinal"})


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["none", "mild", "severe"], "in 4 cells, .*: data.columns.a.classes=.none, mild, severe."),
        (["+", "-"], "a has '-' in 6 cells, .*: data.columns.a.classes=.-, [+]."),
        (["2.5", "-", "3.5"], None),
    ],
)
def test_a_word_for_missing_that_may_be_a_class_is_told(
    cells: list[str], note: str | None, tmp_path: Path
) -> None:
    """Otherwise the rows without a finding, or the negative ones, are lost in silence."""
    folder = write_table(tmp_path, {"a": cells * (12 // len(cells)), "b": ["x", "y"] * 6})
    told = [one for one in opened(folder).notes if "which are missing labels" in one]
    assert len(told) == (note is not None)
    assert note is None or re.search(note, told[0])


@pytest.mark.parametrize("classes", [["none", "mild", "severe"], None])
def test_the_note_ends_once_the_word_is_declared(classes: list[str] | None, tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"a": ["none", "mild", "severe"] * 4})
    choice = {"classes": classes} if classes else {"missing": ["none"]}
    source = opened(folder, columns={"a": choice})
    assert not any("missing labels" in note for note in source.notes)
    assert len(source.heads["a"].classes) == (3 if classes else 2)
