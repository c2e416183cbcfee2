"""Hue, brightness and extent are those of pictures whose values are known beforehand."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from multihead import Head
from multihead.datasets.appearance import UNITS, measure_appearance
from multihead.datasets.measured_cifar10 import measured_cifar10
from multihead.errors import ConfigError, DataError


def plain(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.array(colours, np.uint8)[:, :, None, None].repeat(32, 2).repeat(32, 3)


def spot(y: int, x: int, size: int) -> NDArray[np.uint8]:
    image = plain((10, 10, 10))
    image[:, :, y : y + size, x : x + size] = 250
    return image


def test_hue_and_brightness_are_those_of_plain_colours() -> None:
    found = measure_appearance(plain((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)))
    assert found["hue"].tolist() == [0, 120, 240, 60]
    assert found["brightness"].tolist() == pytest.approx([76.25, 149.69, 29.07, 225.93], abs=0.02)


def test_a_grey_picture_has_no_hue_and_its_middle_stands_out() -> None:
    found = measure_appearance(plain((0, 0, 0), (128, 130, 126)))
    assert np.isnan(found["hue"]).all()
    assert found["centre_x"].tolist() == found["centre_y"].tolist() == [15.5, 15.5]


def test_a_spot_is_found_where_it_is() -> None:
    found = measure_appearance(spot(20, 4, 4))
    assert (found["centre_y"][0], found["centre_x"][0]) == pytest.approx((21.5, 5.5), abs=1)
    assert found["extent"] < measure_appearance(spot(12, 4, 16))["extent"]


def test_mirror_images_have_the_same_measures_but_their_side() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 32, 32), dtype=np.uint8)
    found, mirrored = measure_appearance(images), measure_appearance(images[..., ::-1].copy())
    for name in UNITS:
        expected = 31 - found[name] if name == "centre_x" else found[name]
        np.testing.assert_allclose(mirrored[name], expected, atol=0.011)


def test_measures_do_not_depend_on_the_other_pictures() -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    whole = measure_appearance(images)
    for i in range(5):
        alone = measure_appearance(images[i : i + 1])
        for name in UNITS:
            np.testing.assert_array_equal(alone[name][0], whole[name][i])


def test_pictures_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"must be uint8 \[N, 3, H, W\]"):
        measure_appearance(np.zeros((2, 1, 8, 8), np.uint8))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "cifar-10-batches-py").mkdir()
    data = np.concatenate([plain((255, 0, 0), (9, 9, 9)), spot(3, 3, 9)]).reshape(3, -1)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        batch = pickle.dumps({"data": data, "labels": [0, 3, 9]})
        (folder / "cifar-10-batches-py" / name).write_bytes(batch)
    return folder


def test_measures_are_heads_beside_the_class(data_dir: Path) -> None:
    source = measured_cifar10(data_dir, "test", measures=[*UNITS])
    assert list(source.heads) == ["class", *UNITS]
    kinds = {name: head.kind.name for name, head in source.heads.items()}
    assert kinds == {"class": "classification"} | dict.fromkeys(UNITS, "regression") | {
        "hue": "angle"
    }
    measured = measure_appearance(source.images)
    for name in UNITS:
        np.testing.assert_array_equal(source.labels[name], measured[name].astype(np.float32))
    assert np.isnan(source.labels["hue"]).tolist() == [False, True, True]
    assert source.incomplete == {"hue"}


def test_a_mirror_image_breaks_the_side_alone(data_dir: Path) -> None:
    source = measured_cifar10(data_dir, "train", measures=[*UNITS])
    assert [name for name, changes in source.breaks.items() if "hflip" in changes] == ["centre_x"]
    assert isinstance(source.heads["extent"], Head)


@pytest.mark.parametrize(
    ("measures", "message"),
    [(["hue", "size"], "names 'size'; choose from"), (["hue", "hue"], "name each measure once")],
)
def test_measures_that_cannot_be_are_refused(
    data_dir: Path, measures: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        measured_cifar10(data_dir, "train", measures=measures)
