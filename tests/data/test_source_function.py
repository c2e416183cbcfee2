"""A dataset is a function; what it takes beyond a folder and a split are keys of `data`."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from multihead import Heads, MultiheadDataModule, Source
from multihead.errors import ConfigError, DataError
from multihead.runs.config import compose_run
from multihead.runs.schema import check_node


def pairs(data_dir: Path, split: str, count: int = 40, grouped: bool = False) -> Source:
    """Pictures of which each two belong together."""
    return Source(
        name="pairs",
        images=np.zeros((count, 1, 4, 4), np.uint8),
        labels={"side": np.arange(count) % 2},
        heads=Heads.from_outputs({"side": 2}),
        mean=(0.0,),
        std=(1.0,),
        groups=np.arange(count) // 2 if grouped else None,
    )


NODE = {
    "_target_": "multihead.MultiheadDataModule",
    "source": {"_target_": f"{__name__}.pairs", "_partial_": True},
}


def test_further_arguments_of_the_function_are_arguments_of_the_data() -> None:
    data = MultiheadDataModule(source=pairs, count=20)
    assert len(data.train_source) == 20
    assert len(MultiheadDataModule(source=partial(pairs, count=8)).train_source) == 8
    check_node({**NODE, "count": 20}, "data")
    check_node({**NODE, "source": {**NODE["source"], "count": 20}}, "data")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"cont": 20}, r"no key 'cont' in data \(did you mean 'count'\?\)"),
        ({"count": "many"}, "data.count is 'many'"),
        ({"split": "test"}, "no key 'split' in data"),
        ({"source": {"_target_": f"{__name__}.pairs"}}, r"data.source .* add that"),
        ({"source": {**NODE["source"], "cont": 1}}, "no key 'cont' in data.source"),
    ],
)
def test_a_key_that_the_function_does_not_take_is_refused(keys: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_node({**NODE, **keys}, "data")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (pairs, {"cont": 1}, r"no key 'cont' in data, and its source pairs takes only \['count'"),
        (partial(pairs, count=1), {"count": 2}, "data.count and data.source.count are both given"),
        (None, {"count": 1}, "no key 'count' in data"),
        ("pairs", {}, "data.source is a str"),
        (partial(pairs, split="test"), {}, r"cannot be called with \(data_dir, split\)"),
    ],
)
def test_a_function_that_does_not_fit_is_refused(
    source: object, options: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiheadDataModule(source=source, **options)


def test_no_group_is_split_between_training_and_validation() -> None:
    data = MultiheadDataModule(
        source=pairs, grouped=True, train_val_test_split=(20, 10, 10), multihead=True
    )
    train, val = ({int(i) // 2 for i in part} for part in (data.train_indices, data.val_indices))
    assert (len(train), len(val), train & val) == (10, 5, set())


def test_groups_are_one_per_image() -> None:
    source = pairs(Path(), "train")
    with pytest.raises(DataError, match="40 images but 3 groups"):
        Source(**{**vars(source), "groups": np.arange(3)})


def test_a_person_puts_a_dataset_in_place_of_a_shipped_one() -> None:
    config = compose_run(
        ["data=digits", f"data.source={{_target_: {__name__}.pairs, _partial_: true}}"]
    )
    check_node(config["data"], "data")
    assert config["data"]["source"]["_target_"] == f"{__name__}.pairs"
