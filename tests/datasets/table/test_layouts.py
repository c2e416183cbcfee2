"""Where tables and pictures are, and which rows train, validate and test."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.table.own_table import becomes, opened, write_pictures, write_table

from multihead.errors import ConfigError, DataError, MultiheadError

N = 20
KINDS = ["a", "b"] * 10


def sizes(place: Path, **options: object) -> tuple[int, int, int]:
    train, test = opened(place, **options), opened(place, "test", **options)
    assert train.validation is not None
    validated = int(train.validation.sum())
    return len(train) - validated, validated, len(test)


def test_a_table_and_its_folder_mean_the_same(tmp_path: Path) -> None:
    folder = write_table(tmp_path / "photos", {"kind": KINDS})
    assert opened(folder).digest() == opened(folder / "labels.csv").digest()


def test_both_files_come_from_one_reading_and_the_next_is_anew(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"kind": KINDS})
    opened(folder)
    (folder / "labels.csv").rename(tmp_path / "gone.txt")
    assert len(opened(folder, "test")) == 3
    with pytest.raises(DataError):
        opened(folder, "test")


@pytest.mark.parametrize("cell", ["img/{}.png", r"img\{}.png", "{}.png", "{}", "img/{}.PNG"])
def test_names_may_lack_folder_ending_and_case(tmp_path: Path, cell: str) -> None:
    write_pictures(tmp_path / "img", [f"{i}.png" for i in range(N)])
    columns = {"kind": KINDS, "id": [cell.format(i) for i in range(N)]}
    folder = write_table(tmp_path, columns, pictures=False)
    assert becomes(folder)["id"] == "pictures"


def test_a_label_that_is_the_name_of_a_file_is_still_a_label(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"index": range(N), "digit": [i % 10 for i in range(N)]})
    found = becomes(folder)
    assert (found["file"], found["digit"]) == ("pictures", "classification")


def test_two_columns_of_pictures_ask_for_a_choice(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(N)]
    folder = write_table(tmp_path, {"mask": names[::-1], "kind": KINDS})
    with pytest.raises(DataError, match=r"'file', 'mask' all name pictures.*data\.image_column"):
        opened(folder)
    assert becomes(folder, image_column="file")["mask"] == "ignored"
    with pytest.raises(ConfigError, match=r"data\.image_column is 'x'"):
        opened(folder, image_column="x")


@pytest.mark.parametrize("file", ["metadata.csv", "metadata.jsonl"])
def test_metadata_of_an_imagefolder(tmp_path: Path, file: str) -> None:
    write_pictures(tmp_path, [f"{i}.png" for i in range(N)])
    if file.endswith("csv"):
        columns = {"kind": KINDS, "file_name": [f"{i}.png" for i in range(N)]}
        write_table(tmp_path, columns, pictures=False, file=file)
    else:
        lines = [f'{{"file_name": "{i}.png", "kind": "{KINDS[i]}"}}' for i in range(N)]
        (tmp_path / file).write_text("\n".join(lines))
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    source = opened(tmp_path)
    assert list(source.heads) == ["kind"]
    assert "not read: other.csv" in source.notes


def test_a_folder_per_class(tmp_path: Path) -> None:
    write_pictures(tmp_path, [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(5)])
    write_pictures(tmp_path / "cat", ["deeper/x", "y.JPG"])
    (tmp_path / "cat" / "Thumbs.db").write_text("no picture")
    (tmp_path / "notes").mkdir()
    source = opened(tmp_path, sizes=[1.0, 0.0, 0.0])
    assert source.heads["class"].classes == ("cat", "dog")
    assert Counter(source.labels["class"].tolist()) == {0: 7, 1: 5}


@pytest.mark.parametrize("names", [("train", "val", "test"), ("training", "validation", "testing")])
def test_folders_of_splits_with_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name, count in zip(names, (8, 4, 2), strict=True):
        write_pictures(tmp_path / name, [f"{k}/{i}.png" for k in "pq" for i in range(count)])
    assert sizes(tmp_path) == (16, 8, 4)


def test_folders_of_splits_with_tables_of_their_own(tmp_path: Path) -> None:
    for name, count in (("train", 10), ("valid", 4), ("test", 6)):
        write_table(tmp_path / name, {"kind": KINDS[:count]}, file="metadata.csv")
    assert sizes(tmp_path) == (10, 4, 6)


def test_two_tables_are_splits_and_what_is_absent_is_drawn(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(N)]
    write_pictures(tmp_path, names)
    write_table(tmp_path, {"file": names[:15], "kind": KINDS[:15]}, file="train.csv")
    write_table(tmp_path, {"file": names[15:]}, file="test.csv")
    assert sizes(tmp_path) == (13, 2, 5)
    source = opened(tmp_path, "test")
    assert source.labels["kind"].tolist() == [-1] * 5
    assert any("test.csv has no column 'kind'" in note for note in source.notes)


@pytest.mark.parametrize("named", [None, "part"])
def test_a_column_says_the_split(tmp_path: Path, named: str | None) -> None:
    parts = ["Train"] * 12 + ["dev"] * 5 + ["test"] * 3
    folder = write_table(tmp_path, {"part": parts, "kind": KINDS})
    assert sizes(folder, split_column=named) == (12, 5, 3)
    assert becomes(folder)["part"] == "split"


@pytest.mark.parametrize(("title", "ignored"), [("part", "part"), ("my part", "my_part")])
def test_a_split_column_that_is_ignored_gives_no_split(
    title: str, ignored: str, tmp_path: Path
) -> None:
    """The parts are then drawn, also as folds. The column may be named as its head would be."""
    folder = write_table(tmp_path, {title: ["train"] * 17 + ["test"] * 3, "kind": KINDS})
    options = {"columns": {ignored: "ignore"}, "sizes": [0.5, 0.25, 0.25]}
    assert sizes(folder, **options) == (10, 5, 5)
    assert len(opened(folder, "test", folds=2, fold=0, **options)) == N // 2
    assert becomes(folder, **options)[title] == "ignored"


def test_other_words_for_splits_are_refused(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"part": ["train"] * 19 + ["holdout"], "kind": KINDS})
    with pytest.raises(DataError, match="'holdout' in row 20; it may have train"):
        opened(folder, split_column="part")
    with pytest.raises(ConfigError, match=r"data\.split_column is 'x', but labels\.csv has"):
        opened(folder, split_column="x")


def test_no_group_is_in_two_parts_and_rows_without_one_are_alone(tmp_path: Path) -> None:
    patients = [f"p{i // 4}" if i < 16 else "" for i in range(N)]
    folder = write_table(tmp_path, {"patient": patients, "kind": KINDS})
    options = {"group_column": "patient", "sizes": [0.6, 0.2, 0.2]}
    train, test = opened(folder, **options), opened(folder, "test", **options)
    assert train.groups is not None
    assert test.groups is not None
    assert train.validation is not None
    assert not {*train.groups[train.validation]} & {*train.groups[~train.validation]}
    assert len(train) + len(test) == N
    assert Counter(np.bincount(train.groups)) + Counter(np.bincount(test.groups)) == {4: 4, 1: 4}


def test_a_column_that_sounds_like_groups_is_told(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"Patient": [f"p{i // 4}" for i in range(N)], "kind": KINDS})
    assert any("data.group_column=Patient" in note for note in opened(folder).notes)
    assert not any("group_column" in note for note in opened(folder, group_column="Patient").notes)


def test_groups_that_differ_only_in_case_or_spaces_are_told(tmp_path: Path) -> None:
    """Otherwise pictures of a patient may be in training and test."""
    patients = ["P1", "P2", "p1", "", "P 1"] * (N // 5)
    folder = write_table(tmp_path, {"who": patients, "kind": KINDS})
    (told,) = [one for one in opened(folder, group_column="who").notes if "spaces" in one]
    assert told.startswith("who has the groups 'P1' and 'p1' (and 1 more), which differ only in")
    assert not [one for one in opened(folder).notes if "groups" in one]


def test_parts_have_equal_shares_of_labels(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"kind": (["a"] * 3 + ["b"]) * 10})
    test = opened(folder, "test", sizes=[0.5, 0.25, 0.25], stratify=["kind"])
    assert Counter(test.labels["kind"].tolist())[1] in (2, 3)


def test_each_row_is_tested_in_one_fold(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"v": [i / 7 for i in range(N)]})
    tested = [opened(folder, "test", folds=5, fold=fold).labels["v"] for fold in range(5)]
    np.testing.assert_array_equal(
        np.sort(np.concatenate(tested)), np.float32([i / 7 for i in range(N)])
    )


def test_folds_leave_the_test_rows_of_a_split_column_alone(tmp_path: Path) -> None:
    """Each other row validates in one of them."""
    numbers = [i / 7 for i in range(N)]
    said = ["test" if i % 5 == 0 else "train" for i in range(N)]
    folder = write_table(tmp_path, {"v": numbers, "split": said})
    options = {"split_column": "split", "folds": 4}
    tests = {tuple(opened(folder, "test", fold=k, **options).labels["v"]) for k in range(4)}
    assert tests == {tuple(np.float32(numbers[::5]))}
    validated = []
    for fold in range(4):
        training = opened(folder, fold=fold, **options)
        validated.extend(training.labels["v"][training.validation])
    others = [v for v, part in zip(numbers, said, strict=True) if part == "train"]
    np.testing.assert_array_equal(np.sort(validated), np.sort(np.float32(others)))


def test_counts_may_leave_rows_out_and_say_so(tmp_path: Path) -> None:
    folder = write_table(tmp_path, {"kind": KINDS})
    assert sizes(folder, sizes=[10, 4, 4]) == (10, 4, 4)
    assert any("2 rows are in no part" in note for note in opened(folder, sizes=[10, 4, 4]).notes)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda f: None, "no such file or folder"),
        (lambda f: f.mkdir(), "neither a table nor a folder of pictures per class"),
        (lambda f: write_pictures(f, ["0.png"]), "neither a table nor a folder of pictures"),
        (
            lambda f: (write_table(f, {"k": KINDS}), write_table(f, {"k": KINDS}, file="b.csv")),
            "2 tables, b.csv, labels.csv; name one",
        ),
        (lambda f: write_table(f, {"k": KINDS}, pictures=False), "no column that names pictures"),
        (lambda f: write_table(f, {"file": ["0.png"] * N, "k": KINDS}), "1 picture has several"),
        (lambda f: write_table(f, {"file": ["0.png", ""] * 10, "k": KINDS}), "row 2 names no pic"),
        (
            lambda f: write_table(f, {"file": [f"../{i}.png" for i in range(N)], "k": KINDS}),
            "has ..",
        ),
        (
            lambda f: write_table(f, {"file": [f"/{i}.png" for i in range(N)], "k": KINDS}),
            "not inside",
        ),
        (
            lambda f: write_table(
                f, {"file": [f"{i}.jpg" for i in range(N)], "k": KINDS}, pictures=False
            ),
            "is missing",
        ),
        (lambda f: write_table(f, {"part": ["test", "val"] * 10, "split": KINDS}), None),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line(tmp_path: Path, prepare, said) -> None:  # type: ignore[no-untyped-def]
    prepare(tmp_path / "f")
    if said is None:
        assert becomes(tmp_path / "f") == {
            "file": "pictures",
            "part": "classification",
            "split": "classification",
        }
        return
    with pytest.raises(MultiheadError, match=said) as caught:
        opened(tmp_path / "f")
    assert "\n" not in str(caught.value)


def test_a_table_is_asked_for() -> None:
    from multihead.datasets.table.source import table

    with pytest.raises(ConfigError, match=r"data.table=photos/labels.csv"):
        table(Path(), "train")


def test_two_folders_with_the_names_of_the_pictures_are_told(tmp_path: Path) -> None:
    """Masks would be read as the pictures, because their folder comes first by name."""
    columns = {"file": [f"{i}.png" for i in range(12)], "kind": ["a", "b", "c"] * 4}
    folder = write_table(tmp_path, columns, pictures=False)
    for name in ("images", "annotations"):
        write_pictures(folder / name, columns["file"])
    note = "the folder 'annotations', but 'images' has files of the same names"
    assert any(note in told for told in opened(folder).notes)
    columns["file"] = [f"images/{name}" for name in columns["file"]]
    source = opened(write_table(tmp_path, columns, pictures=False))
    assert not any("same names" in told for told in source.notes)
    assert source.files[0].startswith("images/")


@pytest.mark.parametrize("other", ["", "holdout"])
def test_a_column_that_gives_a_split_to_most_rows_is_told(other: str, tmp_path: Path) -> None:
    """It is no split column, so rows that it names test rows may be drawn for training."""
    words = ["train"] * 12 + [other] * 2 + ["test"] * 6
    folder = write_table(tmp_path, {"kind": KINDS, "part": words})
    note = f"part has words for splits, but also '{other}' in row 13"
    assert any(note in told for told in opened(folder).notes)
    ignored = opened(folder, columns={"part": "ignore"})
    assert not any("words for splits" in told for told in ignored.notes)


def test_a_spreadsheet_beside_pictures_is_named(tmp_path: Path) -> None:
    """Its folder of pictures is no class."""
    write_pictures(tmp_path / "images", ["1.png", "2.png"])
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"labels\.xlsx is a spreadsheet; save it as CSV"):
        opened(tmp_path)
