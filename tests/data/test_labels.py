import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from multihead import MultiheadDataset
from multihead.data.labels import LabelMaps, shipped_heads
from multihead.errors import ConfigError, DataError
from multihead.heads import Head

BASE = Head("digit", 4, ("a", "b", "c", "d"))
DIGITS = Head("digit", 10)


def test_the_shipped_maps_are_the_documented_ones() -> None:
    labels = LabelMaps(DIGITS, shipped_heads("handwritten_digit"))(np.arange(10))
    assert labels["digit"].tolist() == list(range(10))
    assert labels["thickness"].tolist() == [2, 1, 3, 3, 2, 3, 2, 1, 4, 3]
    assert labels["smoothness"].tolist() == [2, 0, 1, 1, 0, 1, 2, 0, 2, 2]


def test_a_fourth_head_needs_only_its_map() -> None:
    config = {"digit": {}, "orientation": {"map": [0, 1, 3, 2]}}
    heads = LabelMaps(BASE, config).heads
    assert heads["orientation"] == Head("orientation", 4)
    assert heads["digit"].classes == BASE.classes


def test_a_map_may_leave_classes_unused() -> None:
    """Even labels 0, odd ones 4: five classes, because 4 is one of them."""
    heads = LabelMaps(BASE, {"thickness": {"map": {0: 0, 1: 4, 2: 0, 3: 4}}}).heads
    assert heads["thickness"].num_classes == 5


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"map": {0: 0, 1: 1, 2: 0}}, "does not cover label 3"),
        ({"map": {0: 0, 1: 1, 2: 0, 3: 1, 4: 0}}, "names label 4"),
        ({"map": [0, 1, 2, 3], "num_classes": 3}, "class 3, outside the classes 0 to 2"),
        ({"map": [0, 1, -1, 1]}, "class -1, outside"),
        ({"map": [0, 1, "x", 1]}, "labels and classes are integers"),
        ({"map": [0, 1, 0.5, 1]}, "labels and classes are integers"),
        ({"maps": [0, 1, 0, 1]}, "has the key 'maps'"),
        ({"map": [0, 0, 0, 0]}, "1 classes"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_map_that_does_not_fit_is_refused(spec: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        LabelMaps(BASE, {"thickness": spec})


def test_any_dataset_of_pairs_yields_a_label_per_head() -> None:
    images = torch.zeros(3, 1, 2, 2)
    data = MultiheadDataset(TensorDataset(images, torch.tensor([0, 8, 3])))
    image, labels = data[1]
    assert image.shape == (1, 2, 2)
    assert labels == {"digit": 8, "thickness": 4, "smoothness": 2}
    assert len(list(data)) == len(data) == 3


@pytest.mark.parametrize("label", [10, -1])
def test_a_label_outside_the_classes_names_the_sample(label: int) -> None:
    data = MultiheadDataset([(None, 0), (None, label)])
    with pytest.raises(DataError, match=f"sample 1 has label {label}"):
        _ = data[1]
