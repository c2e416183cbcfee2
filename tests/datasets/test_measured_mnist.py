"""Heads of measured labels: ranges and boundaries from training pictures, labels from each own."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.strokes import write_rings

from multihead import MeasuredMNISTDataModule, measure_strokes
from multihead.datasets.measured_mnist import measured_mnist
from multihead.datasets.mnist import mnist
from multihead.datasets.strokes import COLUMNS
from multihead.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rings(tmp_path_factory.mktemp("data"))


def test_continuous_labels_decode_to_what_was_measured(data_dir: Path) -> None:
    source = measured_mnist(data_dir, "train", measures=COLUMNS)
    assert list(source.heads) == ["digit", *COLUMNS]
    measured = measure_strokes(source.images[:, 0])
    for name in COLUMNS:
        head = source.heads[name]
        assert (head.kind.name, head.num_classes) == ("ordinal", 256)
        assert head.parameter is not None
        assert head.parameter.minimum == measured[name].min()
        assert head.parameter.maximum == measured[name].max()
        error = abs(head.decode(source.labels[name]) - measured[name])
        assert (error <= head.parameter.tolerance).all()


def test_the_test_file_has_the_heads_of_the_training_file(data_dir: Path) -> None:
    quantiles = {"thickness": 5}
    train = measured_mnist(data_dir, "train", quantiles=quantiles)
    test = measured_mnist(data_dir, "test", quantiles=quantiles)
    assert test.heads.to_record() == train.heads.to_record()


def test_quantile_classes_are_equally_filled_by_training_pictures(data_dir: Path) -> None:
    train = measured_mnist(data_dir, "train", quantiles={"thickness": 5, "smoothness": 3})
    assert np.bincount(train.labels["thickness"]).tolist() == [12] * 5
    assert np.bincount(train.labels["smoothness"]).tolist() == [20] * 3
    head = train.heads["thickness"]
    assert (head.kind.name, head.parameter) == ("classification", None)
    assert head.classes[0].startswith("under ")
    assert head.classes[-1].startswith("over ")


def test_boundaries_do_not_depend_on_test_pictures(data_dir: Path, tmp_path: Path) -> None:
    """They decide what a right answer is, so the test file must have no part in them."""
    other = write_rings(tmp_path, test=7)
    quantiles = {"thickness": 5, "smoothness": 3}
    heads = [measured_mnist(d, "test", quantiles=quantiles).heads for d in (data_dir, other)]
    assert heads[0].to_record() == heads[1].to_record()
    measured = measure_strokes(mnist(data_dir, "train").images[:, 0]).thickness
    expected = [f"{cut:.4g}" for cut in np.quantile(measured, [0.2, 0.4, 0.6, 0.8])]
    names = heads[0]["thickness"].classes
    assert names[0] == f"under {expected[0]} px"
    assert names[1:4] == tuple(f"{a}–{b} px" for a, b in pairwise(expected))
    assert names[4] == f"over {expected[3]} px"


def test_parameters_can_be_predicted_as_any_kind(data_dir: Path) -> None:
    data = MeasuredMNISTDataModule(data_dir, head_kinds={"thickness": "regression"})
    assert data.num_classes == {"digit": 10, "thickness": 1, "smoothness": 256}
    assert MeasuredMNISTDataModule(data_dir, multihead=False).num_classes == {"digit": 10}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measures": ["thickness", "weight"]}, "data.measures names 'weight'; choose from"),
        ({"measures": ["slant", "slant"]}, "name each measure once"),
        ({"quantiles": {"slant": 3}}, "data.quantiles names 'slant', which is not in"),
        ({"quantiles": {"thickness": 1}}, "give 2 classes or more"),
    ],
)
def test_what_cannot_be_a_head_is_refused(
    data_dir: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        measured_mnist(data_dir, "train", **settings)


def test_a_measure_without_enough_values_is_refused(tmp_path: Path) -> None:
    """Circles drawn alike, so that the quantiles of most classes are one number."""
    folder = write_rings(tmp_path, train=3)
    path = folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = path.read_bytes()
    path.write_bytes(content[:16] + 3 * content[16 : 16 + 784])
    with pytest.raises(DataError, match="too few different values for 2 classes"):
        measured_mnist(folder, "train", ["thickness"], {"thickness": 2})
    with pytest.raises(DataError, match="the slant of all training images is"):
        measured_mnist(folder, "train", ["slant"])


def test_a_picture_without_a_stroke_is_named(tmp_path: Path) -> None:
    folder = write_rings(tmp_path, train=4)
    path = folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[16 + 2 * 784 : 16 + 3 * 784] = bytes(784)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"image 2 of 4 .* shows no stroke"):
        measured_mnist(folder, "train")
