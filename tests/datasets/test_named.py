"""The names that datasets had before `source`: scripts and records have them."""

import inspect
from pathlib import Path

import pytest
from tests.vimh_files import write_folder

import multihead
from multihead import DigitsDataModule, MultiheadDataModule, MultiMNISTDataModule, VIMHDataModule
from multihead.datasets.named import NAMED, NamedDataModule
from multihead.runs.build import build_data
from multihead.runs.schema import check_node, locate
from multihead.runs.sections import DataSection


@pytest.mark.parametrize("kind", NAMED)
def test_a_name_takes_what_the_data_and_its_source_take(kind: type[NamedDataModule]) -> None:
    assert getattr(multihead, kind.__name__) is kind
    names = set(inspect.signature(kind).parameters)
    further = list(inspect.signature(kind.own_source).parameters)[2:]
    common = set(inspect.signature(MultiheadDataModule).parameters) - {"options"}
    assert names == common | set(further)


def test_arguments_have_the_places_that_they_had(tmp_path: Path) -> None:
    data = VIMHDataModule(write_folder(tmp_path), 4, 2, [3, 1, 1], "HWC")
    assert (data.batch_size, data.num_workers, data.train_val_test_split) == (4, 2, [3, 1, 1])
    assert MultiMNISTDataModule().multihead
    with pytest.raises(TypeError, match="pixel_ordr"):
        VIMHDataModule(tmp_path, pixel_ordr="HWC")


def test_a_name_keeps_its_source_where_a_preset_has_another() -> None:
    """A preset of a user's own may be built on one of ours, which has a source now."""
    source = {"_target_": "multihead.datasets.mnist.mnist", "_partial_": True}
    node = {"_target_": "multihead.DigitsDataModule", "source": source, "multihead": True}
    check_node(node, "data")
    data = build_data(DataSection(node))
    assert isinstance(data, DigitsDataModule)
    assert data.train_source.name == "digits"


def test_a_subclass_has_arguments_of_its_own() -> None:
    class Mine(DigitsDataModule):
        def __init__(self, mine: int, **settings: object) -> None:
            super().__init__(**settings)
            self.mine = mine

    data = Mine(3, batch_size=7)
    assert (data.mine, data.batch_size, data.train_source.name) == (3, 7, "digits")
    assert list(inspect.signature(Mine).parameters) == ["mine", "settings"]


@pytest.mark.parametrize("name", ["vimh.datamodule.VIMHDataModule", "digits.DigitsDataModule"])
def test_the_modules_that_had_a_name_are_known(name: str) -> None:
    assert issubclass(locate(f"multihead.data.{name}", "data"), NamedDataModule)
