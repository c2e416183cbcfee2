"""Rows that name the same picture are one sample where they agree, and never in two parts."""

from pathlib import Path

import numpy as np
import pytest
from tests.datasets.table.own_table import opened, write_table

from multihead.datasets.table.source import TableSource
from multihead.errors import ConfigError, DataError

FILES = [f"{i}.png" for i in range(20)] * 2


def both(folder: Path, **options: object) -> tuple[TableSource, TableSource]:
    return opened(folder, "train", **options), opened(folder, "test", **options)


def pictures(source: TableSource) -> list[int]:
    """Return the numbers that `write_pictures` gave the pictures."""
    images: np.ndarray = source.images[np.arange(len(source))]
    return [int(number) for number in images[:, 0, 1, 1]]


def test_rows_that_agree_are_one_sample_with_the_labels_of_all(tmp_path: Path) -> None:
    kinds = [*["a", "b"] * 10, *["", "b"] * 10]
    sizes = [*[""] * 20, *[i / 7 for i in range(20)]]
    tags = ["r|s", "s"] * 20
    write_table(tmp_path, {"file": FILES, "kind": kinds, "size": sizes, "tags": tags})
    train, test = both(tmp_path)
    assert len(train) + len(test) == 20
    assert sorted(pictures(train) + pictures(test)) == list(range(20))
    for number, kind, size in zip(
        pictures(train), train.labels["kind"], train.labels["size"], strict=True
    ):
        assert kind == number % 2
        assert size == pytest.approx(number / 7)
    assert "40 rows name 20 pictures, and their labels agree" in "; ".join(train.notes)


def test_rows_that_differ_are_listed_with_what_to_do(tmp_path: Path) -> None:
    kinds = ["a", "b"] * 20
    kinds[23] = kinds[25] = "a"
    write_table(tmp_path, {"file": FILES, "kind": kinds})
    with pytest.raises(DataError) as refused:
        opened(tmp_path)
    said = "2 pictures have several rows that differ in 'kind': 3.png in rows 4 and 24; 5.png"
    assert said in str(refused.value)
    assert "data.duplicates=keep" in str(refused.value)
    with pytest.raises(ConfigError, match="choose join or keep"):
        opened(tmp_path, duplicates="first")


@pytest.mark.parametrize("grouped", [False, True])
def test_rows_that_are_kept_are_in_one_part(tmp_path: Path, grouped: bool) -> None:
    """A picture of two groups links them: neither may be in two parts then."""
    who = [f"w{i // 2}" for i in range(20)] * 2
    if grouped:
        who[20:] = [f"v{i // 4}" for i in range(20)]
    write_table(tmp_path, {"file": FILES, "kind": [*["a", "b", "b"] * 13, "a"], "who": who})
    options = {"group_column": "who"} if grouped else {"columns": {"who": "ignore"}}
    train, test = both(tmp_path, duplicates="keep", sizes=(0.5, 0.25, 0.25), **options)
    assert len(train) + len(test) == 40
    assert not set(pictures(train)) & set(pictures(test))
    assert train.validation is not None
    numbers = np.array(pictures(train))
    assert not set(numbers[train.validation]) & set(numbers[~train.validation])
    assert train.groups is not None
    assert len(set(zip(train.groups.tolist(), pictures(train), strict=True))) == len(set(numbers))


@pytest.mark.parametrize("duplicates", ["join", "keep"])
def test_a_picture_in_two_parts_is_refused(tmp_path: Path, duplicates: str) -> None:
    split = ["train"] * 20 + ["test"] * 20
    write_table(tmp_path, {"file": FILES, "kind": ["a", "b"] * 20, "split": split})
    with pytest.raises(DataError, match=r"20 pictures are in two parts, as the split column"):
        opened(tmp_path, duplicates=duplicates)
