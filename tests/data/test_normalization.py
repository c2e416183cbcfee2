from pathlib import Path

import numpy as np
import pytest
from tests.vimh_files import pictures, write_folder

from multihead import VIMHDataModule
from multihead.errors import ConfigError


def test_statistics_are_of_the_training_part_alone(tmp_path: Path) -> None:
    data = VIMHDataModule(write_folder(tmp_path, counts=(40, 2)), normalize="stats")
    pixels = pictures(40, 4, 5, 3)[data.train_indices] / 255
    np.testing.assert_allclose(data.train_source.mean, pixels.mean((0, 2, 3)))
    np.testing.assert_allclose(data.train_source.std, pixels.std((0, 2, 3)))
    assert data.test_source.mean == data.train_source.mean


def test_a_constant_channel_is_only_shifted(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, size=(1, 1, 1), counts=(2, 1))
    data = VIMHDataModule(folder, normalize="stats", train_val_test_split=(1, 1, 1))
    assert data.train_source.std == (1.0,)


def test_given_numbers_are_used(tmp_path: Path) -> None:
    given = {"mean": [0, 0.5, 1], "std": [1, 2, 3]}
    source = VIMHDataModule(write_folder(tmp_path), normalize=given).train_source
    assert (source.mean, source.std) == ((0, 0.5, 1), (1, 2, 3))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("best", "give default, stats or"),
        ({"mean": [0, 0, 0]}, "give default, stats or"),
        ({"mean": [0, 0], "std": [1, 1, 1]}, r"normalize.mean is \[0, 0\]; give 3 numbers"),
        ({"mean": [0, 0, 0], "std": [1, 0, 1]}, "normalize.std .* above 0"),
        ({"mean": 0.5, "std": 0.5}, "normalize.mean is 0.5; give 3"),
        ({"mean": [0, 0, float("nan")], "std": [1, 1, 1]}, "normalize.mean"),
    ],
)
def test_other_numbers_are_refused(tmp_path: Path, given: object, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        _ = VIMHDataModule(write_folder(tmp_path), normalize=given).train_source
