"""Copies of a picture in two parts of a training are named before it."""

from dataclasses import replace

import numpy as np
import pytest

import multihead.inspection.shared_pictures as module
from multihead import Heads, Source
from multihead.inspection.shared_pictures import shared_pictures

TRAIN, VAL, TEST = np.array([0, 1, 2, 6]), np.array([3, 4]), np.array([0, 1, 2])


def source(seed: int) -> Source:
    images = np.random.default_rng(seed).integers(0, 256, (7, 1, 4, 4), np.uint8)
    return Source(
        "s", images, {"a": np.zeros(7, np.int64)}, Heads.from_outputs({"a": 2}), (0.0,), (1.0,)
    )


def found(file: Source, test: Source) -> list[str]:
    parts = {"training": (file, TRAIN), "validation": (file, VAL), "test": (test, TEST)}
    return shared_pictures(parts)


def test_parts_without_copies_have_nothing_to_say() -> None:
    """A copy within a part, or one of a picture that no part has, leaks nothing."""
    file = source(0)
    file.images[1] = file.images[0]
    file.images[5] = file.images[4]
    assert found(file, source(1)) == []


def test_copies_are_counted_and_the_first_places_named() -> None:
    file, test = source(0), source(1)
    file.images[4] = file.images[6]
    test.images[[0, 2]] = file.images[[2, 3]]
    assert found(file, test) == [
        "1 of 2 validation pictures is also in training (sample numbers in the files: 4 = 6), so "
        "validation results are better than on new pictures",
        "1 of 3 test pictures is also in training (sample numbers in the files: 0 = 2), so test "
        "results are better than on new pictures",
        "1 of 3 test pictures is also in validation (sample numbers in the files: 2 = 3), so test "
        "results are better than on new pictures",
    ]


def test_large_data_are_not_looked_at_in_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PICTURES", 8)
    assert found(source(0), source(0)) == []


def test_pictures_decoded_on_demand_are_not_looked_at() -> None:
    class OnDemand:
        dtype, ndim, shape = np.dtype(np.uint8), 4, (7, 1, 4, 4)

        def __len__(self) -> int:
            return 7

    lazy = replace(source(0), images=OnDemand())  # type: ignore[arg-type]
    assert found(lazy, source(0)) == []
