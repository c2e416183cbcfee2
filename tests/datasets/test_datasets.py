"""A folder is told by the names of its files, from wherever one points at it."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from multihead import Head, Heads
from multihead.datasets.formats import find_datasets, open_dataset
from multihead.errors import DataError
from multihead.vimh import VIMHWriter


@pytest.fixture
def data(tmp_path: Path, mnist_dir: Path) -> Path:
    with VIMHWriter(mnist_dir / "vimh-2x2x1_a", Heads([Head("a", 3)]), (1, 2, 2)) as writer:
        writer.write("train", np.zeros((4, 1, 2, 2), np.uint8), {"a": [0, 1, 2, 0]})
    old = mnist_dir / "old"
    old.mkdir()
    batch = {"data": np.zeros((2, 3072), np.uint8), "vimh_labels": [[1, 0, 0], [1, 0, 1]]}
    (old / "train_batch").write_bytes(pickle.dumps(batch))
    return mnist_dir


def test_all_datasets_of_a_folder_are_found(data: Path) -> None:
    found = {d.path.relative_to(data).as_posix(): d for d in find_datasets(data)}
    assert {path: d.layout.name for path, d in found.items()} == {
        "MNIST/raw": "MNIST",
        "old": "CIFAR-100-MH",
        "vimh-2x2x1_a": "VIMH",
    }
    assert found["MNIST/raw"].splits == ("train", "test")
    assert found["vimh-2x2x1_a"].splits == ("train",)


@pytest.mark.parametrize("place", ["", "MNIST", "MNIST/raw"])
def test_mnist_is_found_from_above_and_from_within(mnist_dir: Path, place: str) -> None:
    source = open_dataset(mnist_dir / place).read("test")
    assert (len(source), list(source.heads)) == (40, ["digit", "thickness", "smoothness"])


def test_a_missing_split_is_not_downloaded(mnist_dir: Path) -> None:
    for path in (mnist_dir / "MNIST" / "raw").glob("t10k*"):
        path.unlink()
    dataset = open_dataset(mnist_dir)
    assert dataset.splits == ("train",)
    with pytest.raises(DataError, match=r"has no split 'test'; it has \['train'\]"):
        dataset.read("test")


def test_a_folder_of_nothing_known_says_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no known format. Tried: VIMH .*; MNIST .*; CIFAR-10 "):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        open_dataset(tmp_path / "none")
    assert find_datasets(tmp_path / "none") == []


def test_several_datasets_at_one_place_must_be_told_apart(data: Path) -> None:
    shutil.copy(data / "old" / "train_batch", data)
    with pytest.raises(DataError, match="holds several datasets; name one of"):
        open_dataset(data)
