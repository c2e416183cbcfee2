"""Another table is read as that of a run: classes, tags, ranges and pictures are the run's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.datasets.table.own_table import opened, write_pictures, write_table

from multihead.data.source import Trained
from multihead.datasets.table.source import TableSource
from multihead.errors import DataError

N = 24
OF_RUN = {
    "kind": ["bear", "cat", "dog"] * 8,
    "grade": [3, 4, 5, 6] * 6,
    "sick": ["yes", "no"] * 12,
    "tags": ["r|s", "s|t", "r"] * 8,
    "size": [f"{i + 0.5}" for i in range(N)],
    "level": [f"{i + 0.5}" for i in range(N)],
    "male": [0, 1] * 12,
    "tall": [1, 1, 0] * 8,
}
CHOICES: dict[str, Any] = {
    "level": {"levels": 256, "range": [0, 100]},
    "looks": {"columns": ["male", "tall"]},
}
ALL = (0.0, 0.0, 1.0)


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    source = opened(write_table(tmp_path / "run", OF_RUN), columns=CHOICES)
    return Trained(source.heads, source.preparation)


def other(
    folder: Path,
    trained: Trained,
    columns: dict[str, Any],
    split_column: str | None = None,
    **choices: Any,
) -> TableSource:
    write_table(folder, columns)
    said = {**CHOICES, **choices}
    options: dict[str, Any] = {"columns": said, "split_column": split_column, "sizes": ALL}
    return opened(folder, "test", trained=trained, **options)


def test_classes_tags_and_levels_have_the_numbers_of_the_run(
    tmp_path: Path, trained: Trained
) -> None:
    """Each column has fewer values than the run's, or other words for them."""
    columns = {
        "kind": ["dog", "cat"] * 3,
        "grade": [6, 5] * 3,
        "sick": ["TRUE"] * 6,
        "tags": ["t", ""] * 3,
        "size": ["1000", "-5"] * 3,
        "level": ["100", "0"] * 3,
        "tall": ["no", "yes"] * 3,
        "male": [1] * 6,
        "new": ["u", "v"] * 3,
    }
    source = other(tmp_path / "other", trained, columns)
    taken = {name: values.tolist()[:2] for name, values in source.labels.items()}
    assert {name: source.heads[name] for name in trained.heads} == dict(trained.heads.items())
    assert taken["kind"] == [2, 1]
    assert taken["grade"] == [3, 2]
    assert taken["sick"] == [1, 1]
    assert taken["tags"][0] == [0, 0, 1]
    assert np.isnan(taken["tags"][1]).all()
    assert taken["size"] == [1000, -5]
    assert taken["level"] == [255, 0]
    assert taken["looks"] == [[1, 0], [1, 1]]
    assert source.described.set_index("column")["why"]["kind"] == "as the run has it"


def test_what_the_run_does_not_know_is_listed_and_may_be_named_missing(
    tmp_path: Path, trained: Trained
) -> None:
    columns = {**OF_RUN, "kind": ["bear", "yak", "zebra"] * 8}
    message = (
        r"'yak' in row 2 and 'zebra' \(16 rows in all\), which are "
        r"not among 'bear', 'cat', 'dog'"
    )
    with pytest.raises(DataError, match=message):
        other(tmp_path / "other", trained, columns)
    source = other(tmp_path / "other", trained, columns, kind={"missing": ["yak", "zebra"]})
    assert set(source.labels["kind"].tolist()) == {0, -1}


def test_numbers_in_another_unit_than_the_runs_are_refused(tmp_path: Path) -> None:
    """They would count as they are, and be ten times too small."""
    run = opened(write_table(tmp_path / "run", {"size": [f"{i}.5 mm" for i in range(N)]}))
    other = write_table(tmp_path / "other", {"size": [f"{i}.5 cm" for i in range(N)]})
    trained = Trained(run.heads, run.preparation)
    with pytest.raises(DataError, match="column 'size' is in 'cm', but the run predicts 'mm'"):
        opened(other, "test", trained=trained, sizes=ALL)
    source = opened(other, "test", trained=trained, sizes=ALL, columns={"size": {"unit": "cm"}})
    assert source.labels["size"][0] == 0.5


@pytest.mark.parametrize(
    ("words", "tested", "note"),
    [
        (["train", "val"], N, "the split column 'part' has no test rows, so all rows are tested"),
        (["val", "test"], N // 2, ""),
    ],
)
def test_the_test_rows_of_another_table_are_tested_or_all_if_it_has_none(
    tmp_path: Path, trained: Trained, words: list[str], tested: int, note: str
) -> None:
    columns = {**OF_RUN, "part": words * (N // 2)}
    source = other(tmp_path / "other", trained, columns, split_column="part")
    assert len(source) == tested
    assert (note in source.notes) == bool(note)


def test_an_empty_cell_is_a_picture_without_tags_where_it_was_in_training(tmp_path: Path) -> None:
    columns, said = {"tags": ["r|s", "s", "", "r"] * 6}, {"tags": {"classes": [""]}}
    folder = write_table(tmp_path / "run", columns)
    run = opened(folder, columns=said)
    trained = Trained(run.heads, run.preparation)
    source = opened(folder, "test", columns=said, trained=trained, sizes=ALL)
    assert source.labels["tags"][2].tolist() == [0, 0]


def test_a_tag_of_two_words_stays_one_where_no_cell_has_two_tags(tmp_path: Path) -> None:
    run = opened(write_table(tmp_path / "run", {"tags": ["dark red|s", "s", "dark red"] * 8}))
    other = write_table(tmp_path / "other", {"tags": ["dark red", "s"] * 3})
    source = opened(other, "test", trained=Trained(run.heads, run.preparation), sizes=ALL)
    assert source.labels["tags"][:2].tolist() == [[1, 0], [0, 1]]


def test_a_column_that_is_not_there_is_told_and_not_tested(
    tmp_path: Path, trained: Trained
) -> None:
    columns = {**OF_RUN, "size": [""] * N}
    del columns["kind"], columns["level"]
    source = other(tmp_path / "other", trained, columns)
    assert (source.labels["kind"] == -1).all()
    told = "; ".join(source.notes)
    assert "labels.csv has no column 'kind', so this head is not tested" in told
    assert "labels.csv has no value of 'size', so this head is not tested" in told
    write_table(tmp_path / "none", {"new": ["u", "v"] * 12})
    with pytest.raises(DataError, match="has no label of 'kind', 'grade'"):
        opened(tmp_path / "none", "test", trained=trained)


def test_a_folder_per_class_has_classes_and_size_of_the_run(tmp_path: Path) -> None:
    for name in ("bear", "cat", "dog"):
        write_pictures(tmp_path / "run" / name, [f"{i}.png" for i in range(8)])
    run = opened(tmp_path / "run")
    write_pictures(tmp_path / "other" / "dog", ["a.png", "b.png"], size=9)
    trained = Trained(run.heads, {**(run.preparation or {}), "resize": "stretch"})
    source = opened(tmp_path / "other", "test", trained=trained, sizes=ALL)
    assert source.labels["class"].tolist() == [2, 2]
    assert source.image_shape == run.image_shape


def test_the_table_of_the_run_has_the_same_labels_and_parts(
    tmp_path: Path, trained: Trained
) -> None:
    for split in ("train", "test"):
        own = opened(tmp_path / "run", split, columns=CHOICES)
        again = opened(tmp_path / "run", split, columns=CHOICES, trained=trained)
        assert own.digest() == again.digest()
