from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from tests.shards import all_rows, write_file, write_shards

from multihead import GenericDataModule, MultiheadDataModule, VIMHDataModule, VIMHStreamDataModule
from multihead.errors import ConfigError, DataError


def test_parts_are_disjoint_and_are_what_the_loaders_yield(tmp_path: Path) -> None:
    data = VIMHStreamDataModule(write_shards(tmp_path / "set"), 6, shuffle_rows=16)
    train, val = list(data.train_indices), list(data.val_indices)
    assert (len(train), len(val), set(train) & set(val)) == (45, 5, set())
    assert sorted(chain(*all_rows(data.train_dataloader()))) == train
    assert list(chain(*all_rows(data.val_dataloader()))) == val
    assert list(chain(*all_rows(data.test_dataloader()))) == list(range(7))


def test_heads_shape_and_digest_are_those_of_the_file(tmp_path: Path) -> None:
    """Else runs on both forms of the same images would not be comparable."""
    file = VIMHDataModule(write_file(tmp_path / "file"), normalize="default")
    shards = VIMHStreamDataModule(write_shards(tmp_path / "set"), normalize="default")
    assert shards.heads == file.heads
    assert shards.image_shape == file.image_shape
    assert shards.train_source.mean == file.train_source.mean
    for split in ("train_source", "test_source"):
        assert getattr(shards, split).digest() == getattr(file, split).digest()
    for heads in (["high"], ["high", "low"]):
        one, other = (
            kind(folder, only_heads=heads).train_source.digest()
            for kind, folder in (
                (VIMHDataModule, tmp_path / "file"),
                (VIMHStreamDataModule, tmp_path / "set"),
            )
        )
        assert one == other


def test_statistics_of_the_training_part_are_its_own(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    data = VIMHStreamDataModule(folder, normalize="stats")
    images, _ = data.train_source.take(data.train_indices)
    np.testing.assert_allclose(data.train_source.mean[0], images.mean() / 255)


def test_rows_may_be_taken_in_any_order_and_more_than_once(tmp_path: Path) -> None:
    source = VIMHStreamDataModule(write_shards(tmp_path / "set")).train_source
    index = np.array([40, 3, 3, 8, 7])
    images, labels = source.take(index)
    assert images[:, 0, 0, 0].tolist() == labels["low"].tolist() == index.tolist()
    assert source.take_labels(index)["low"].tolist() == index.tolist()
    assert source.labels["low"].tolist() == list(range(50))
    assert source.images[index].tolist() == images.tolist()


def test_the_split_is_drawn_by_the_seed(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    one, again, other = (VIMHStreamDataModule(folder, seed=s).val_indices for s in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("kind", [VIMHDataModule, GenericDataModule])
def test_what_does_not_stream_names_what_does(tmp_path: Path, kind: type) -> None:
    folder = write_shards(tmp_path / "set")
    with pytest.raises((ConfigError, DataError), match=r"[Uu]se data=vimh_stream"):
        _ = kind(folder).heads
    with pytest.raises(ConfigError, match=r"s3://a/b, but only .* [Uu]se data=vimh_stream"):
        kind("s3://a/b")


@pytest.mark.parametrize("where", ["ftp://a/b", "s3://", "file://host/set"])
def test_an_address_of_another_kind_is_refused(where: str) -> None:
    with pytest.raises(ConfigError, match=r"s3://BUCKET/PREFIX|file:///PATH"):
        _ = VIMHStreamDataModule(where).heads


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "a set")
    data: MultiheadDataModule = VIMHStreamDataModule(folder.as_uri())
    assert len(data.train_source) == 50
    assert data.place == folder.as_uri()


def test_no_rows_to_shuffle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shuffle_rows is 0; give 1 .* or more"):
        _ = VIMHStreamDataModule(tmp_path, shuffle_rows=0).heads
