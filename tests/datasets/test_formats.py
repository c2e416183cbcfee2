import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import write_mnist
from tests.datasets.test_cifar100mh import INFO, write
from tests.vimh_files import write_folder

from multihead import GenericDataModule
from multihead.datasets.formats import open_dataset
from multihead.errors import DataError


def test_a_folder_is_opened_in_its_format(tmp_path: Path) -> None:
    folders = {
        "VIMH": write_folder(tmp_path),
        "CIFAR-100-MH": write(tmp_path / "c", INFO),
        "MNIST": write_mnist(tmp_path / "m"),
    }
    heads = {"VIMH": ["note", "decay"], "CIFAR-100-MH": ["pitch", "loudness"], "MNIST": ["digit"]}
    for name, folder in folders.items():
        assert open_dataset(folder).layout.name == name
        assert list(GenericDataModule(folder).heads) == heads[name]


def test_what_was_tried_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no known format") as error:
        _ = GenericDataModule(tmp_path).heads
    for mark in ("vimh_dataset_info.json", "train_batch", "cifar-10-batches-py", "MNIST/raw"):
        assert mark in str(error.value)


def test_a_missing_folder_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="multihead data generate"):
        _ = GenericDataModule(tmp_path / "none").heads


def test_the_batches_of_cifar10_are_not_taken_for_cifar100mh(tmp_path: Path) -> None:
    """Both have a `test_batch`; here one points at the folder with the batches itself."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [3, 9]}
    for name in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        (folder / name).write_bytes(pickle.dumps(batch))
    for path in (tmp_path, folder):
        assert list(GenericDataModule(path).heads) == ["class"]


def test_metadata_without_a_split_are_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    for split in ("train", "test"):
        (folder / split).unlink()
    with pytest.raises(DataError, match=r"vimh_dataset_info.json, but none of the files \['train'"):
        _ = GenericDataModule(folder).heads
