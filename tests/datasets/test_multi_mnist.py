"""Two digits in a picture, put together as in the literature, and kept apart between splits."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multihead import MultiMNISTDataModule
from multihead.datasets.mnist import mnist
from multihead.datasets.multi_mnist import deal, draw_partners, multi_mnist, overlay
from multihead.errors import ConfigError


def test_pictures_are_those_of_the_literature() -> None:
    digits = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    right = np.array([1, 2, 3, 4, 4])
    for picture, left_digit, right_digit in zip(
        overlay(digits, right), digits, digits[right], strict=True
    ):
        canvas = np.zeros((36, 36), np.uint8)
        canvas[0:28, 0:28] = left_digit
        canvas[6:34, 6:34] = np.maximum(canvas[6:34, 6:34], right_digit)
        expected = Image.fromarray(canvas).resize((28, 28), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(picture, np.asarray(expected))


def test_every_digit_is_left_once_with_another_of_its_file_to_the_right(mnist_dir: Path) -> None:
    for split in ("train", "test"):
        single, double = mnist(mnist_dir, split), multi_mnist(mnist_dir, split)
        right = draw_partners(len(single), 0)
        assert len(double) == len(single)
        assert (right != np.arange(len(right))).all()
        np.testing.assert_array_equal(double.labels["left"], single.labels["digit"])
        np.testing.assert_array_equal(double.labels["right"], single.labels["digit"][right])
        np.testing.assert_array_equal(double.images[:, 0], overlay(single.images[:, 0], right))


def test_pairs_are_fixed_by_the_pairing_seed_alone(mnist_dir: Path) -> None:
    digests = [
        MultiMNISTDataModule(mnist_dir, seed=seed, pairing_seed=pairs).read("train").digest()
        for seed, pairs in ((0, 0), (1, 0), (0, 1))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_partners_are_spread_over_all_digits() -> None:
    right = draw_partners(60_000, 0)
    far = abs(right - np.arange(60_000)) / 60_000
    assert far.mean() == pytest.approx(1 / 3, abs=0.01)  # of two random places
    assert np.bincount(right, minlength=60_000).mean() == 1
    assert len(np.unique(right)) / 60_000 == pytest.approx(1 - np.exp(-1), abs=0.02)


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 45])
def test_partners_are_of_the_same_group(count: int) -> None:
    groups, right = deal(count, 3), draw_partners(count, 3)
    assert (groups[right] == groups).all()


@pytest.mark.parametrize("seed", range(3))
def test_training_and_validation_share_no_digit(mnist_dir: Path, seed: int) -> None:
    """What a network learns by heart would otherwise look like what it can do."""
    data = MultiMNISTDataModule(mnist_dir, train_val_test_split=[77, 21, 40], seed=seed)
    right = draw_partners(120, 0)
    train, val = data.train_indices, data.val_indices
    assert (len(train), len(val)) == (77, 21)
    used = [set(part) | set(right[part]) for part in (train, val)]
    assert not used[0] & used[1]


def test_all_pictures_can_train_where_none_validate(mnist_dir: Path) -> None:
    data = MultiMNISTDataModule(mnist_dir, train_val_test_split=[120, 0, 40])
    np.testing.assert_array_equal(data.train_indices, np.arange(120))


def test_sizes_that_leave_no_whole_group_are_refused(mnist_dir: Path) -> None:
    data = MultiMNISTDataModule(mnist_dir, train_val_test_split=[101, 19, 40])
    with pytest.raises(ConfigError, match=r"120 samples are in groups .* smaller sizes"):
        _ = data.val_indices


@pytest.mark.skipif("MULTIHEAD_DATA_DIR" not in os.environ, reason="MULTIHEAD_DATA_DIR is not set")
def test_the_published_files_make_as_many_pictures() -> None:
    data_dir = Path(os.environ["MULTIHEAD_DATA_DIR"])
    assert [len(multi_mnist(data_dir, split)) for split in ("train", "test")] == [60_000, 10_000]
    data = MultiMNISTDataModule(data_dir, train_val_test_split=[55_000, 5_000, 10_000])
    assert (len(data.train_indices), len(data.val_indices)) == (55_000, 5_000)
