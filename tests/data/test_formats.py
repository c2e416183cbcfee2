from pathlib import Path

import pytest
from tests.conftest import write_mnist
from tests.data.test_cifar100mh import INFO, write
from tests.vimh_files import write_folder

from multihead import GenericDataModule
from multihead.data.formats import detect_format
from multihead.errors import DataError


def test_a_folder_is_opened_in_its_format(tmp_path: Path) -> None:
    folders = {
        "VIMH": write_folder(tmp_path),
        "CIFAR-100-MH": write(tmp_path / "c", INFO),
        "MNIST": write_mnist(tmp_path / "m"),
    }
    heads = {"VIMH": ["note", "decay"], "CIFAR-100-MH": ["pitch", "loudness"], "MNIST": ["digit"]}
    for name, folder in folders.items():
        assert detect_format(folder).name == name
        assert list(GenericDataModule(folder).heads) == heads[name]


def test_what_was_tried_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no supported format") as error:
        _ = GenericDataModule(tmp_path).heads
    for mark in ("vimh_dataset_info.json", "train_batch", "cifar-10-batches-py", "MNIST/raw"):
        assert mark in str(error.value)


def test_a_missing_folder_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="multihead data generate"):
        _ = GenericDataModule(tmp_path / "none").heads
