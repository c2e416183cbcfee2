"""The older form of VIMH, with metadata as incomplete as they come."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.vimh_files import batch, pictures

from multihead import CIFAR100MHDataModule, CIFAR100MHDataset
from multihead.datasets.cifar100mh import read_cifar100mh_info
from multihead.errors import DataError
from multihead.vimh import validate

MAPPINGS = {"pitch": {"min": 10, "max": 60}, "loudness": {"min": 0.0, "max": 1.0}}
INFO = {"parameter_names": [*MAPPINGS], "parameter_mappings": MAPPINGS, "train_samples": 12}


def write(
    folder: Path, info: dict[str, Any] | None, key: str = "cifar100mh_labels", order: str = "CHW"
) -> Path:
    folder.mkdir(exist_ok=True)
    for split, count, top in (("train", 12, 9), ("test", 5, 11)):
        labels = [[(0, i % top), (1, (3 * i) % 20)] for i in range(count)]
        content = batch(pictures(count, 32, 32, 3), labels, order)
        content = {"data": content["data"], key: content["vimh_labels"]}
        (folder / f"{split}_batch").write_bytes(pickle.dumps(content))
    if info is not None:
        (folder / "cifar100mh_dataset_info.json").write_text(json.dumps(info))
    return folder


@pytest.mark.parametrize("key", ["cifar100mh_labels", "vimh_labels", "labels"])
def test_batches_are_read_with_their_ranges(tmp_path: Path, key: str) -> None:
    data = CIFAR100MHDataset(write(tmp_path, INFO, key))
    image, labels = data[5]
    torch.testing.assert_close(image, torch.from_numpy(pictures(12, 32, 32, 3)[5]) / 255)
    assert labels == {"pitch": 5, "loudness": 15}
    assert data.heads["pitch"].decode(255) == 60


def test_interleaved_pixels_can_be_chosen(tmp_path: Path) -> None:
    data = CIFAR100MHDataset(write(tmp_path, INFO, order="HWC"), pixel_order="HWC")
    assert np.array_equal(data.source.images, pictures(12, 32, 32, 3))


def test_without_metadata_heads_and_classes_come_from_the_data(tmp_path: Path) -> None:
    data = CIFAR100MHDataModule(write(tmp_path, None), 4)
    with pytest.warns(UserWarning, match="classes are those of the data: param_0 9, param_1 19"):
        _ = data.heads
    assert data.num_classes == {"param_0": 9, "param_1": 19}
    assert data.image_shape == (3, 32, 32)


def test_the_classes_are_those_of_both_batches(tmp_path: Path) -> None:
    """Else a class that only the test batch has would end a run after its training."""
    folder = write(tmp_path, None)
    content = pickle.loads((folder / "test_batch").read_bytes())
    content["cifar100mh_labels"][0] = [2, 0, 99, 1, 0]
    (folder / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.warns(UserWarning, match="param_0 100"):
        assert CIFAR100MHDataset(folder, "test")[0][1]["param_0"] == 99


def test_names_alone_are_used(tmp_path: Path) -> None:
    folder = write(tmp_path, {"parameter_names": ["pitch", "loudness"]})
    with pytest.warns(UserWarning, match="without its parameter_mappings"):
        assert CIFAR100MHDataset(folder).heads.outputs == {"pitch": 9, "loudness": 19}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"train_samples": 13}, "holds 12 samples"),
        ({"height": 28}, "height is 28; CIFAR-100-MH is 32x32x3"),
        ({"parameter_names": ["pitch", "other"]}, "no 'other'"),
        ({"parameter_names": ["pitch"]}, "id 1 is beyond"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: dict, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _ = CIFAR100MHDataset(write(tmp_path, INFO | change))[1]


def test_missing_batches_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither cifar100mh_dataset_info\.json nor train_batch"):
        CIFAR100MHDataset(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        CIFAR100MHDataset(tmp_path / "none")


def test_validation_tells_every_sample_with_a_problem(tmp_path: Path) -> None:
    folder = write(tmp_path, INFO)
    assert list(validate(folder, read_cifar100mh_info)) == []
    content = pickle.loads((folder / "train_batch").read_bytes())
    content["cifar100mh_labels"][2] = [2, 0, 1, 7, 0]
    content["cifar100mh_labels"][9] = [2, 0, 0, 0, 3]
    (folder / "train_batch").write_bytes(pickle.dumps(content))
    found = list(validate(folder, read_cifar100mh_info))
    assert [(Path(p.file).name, p.sample) for p in found] == [
        ("train_batch", 2),
        ("train_batch", 9),
    ]
