"""What every source promises: those that ship, and one written outside the package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.heads.outside_data import hands
from tests.shards import write_file, write_shards
from tests.vimh_files import NOTE, write_folder

from multihead import Source
from multihead.datasets.digits import digits
from multihead.datasets.formats import read_sources
from multihead.datasets.shapes.source import shapes
from multihead.vimh.source import vimh_source


def _pickled(folder: Path) -> Source:
    mappings = {"m": NOTE, "n": NOTE}
    return vimh_source(write_folder(folder, form="pickle", mappings=mappings), "train")


SOURCES: dict[str, Callable[[Path], Source]] = {
    "arrays": lambda folder: digits(folder, "train"),
    "a file in the binary form": lambda folder: vimh_source(write_file(folder / "b"), "train"),
    "pickled rows": _pickled,
    "shards": lambda folder: read_sources(str(write_shards(folder / "s")))["train"],
    "drawn, with labels of every kind": lambda folder: shapes(
        folder, "train", count=60, size=16, missing={"shape": 0.5, "x": 0.2}
    ),
    "outside, with missing labels": lambda folder: hands(folder, "train"),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return SOURCES[request.param](tmp_path)


def test_samples_are_taken_in_any_order_and_the_same_each_time(source: Source) -> None:
    index = np.random.default_rng(0).permutation(len(source))
    images, labels = source.take(index)
    assert images.shape == (len(source), *source.image_shape)
    assert (images.dtype, images.flags.c_contiguous) == (np.uint8, True)
    back = np.argsort(index)
    whole, in_order = source.take(np.arange(len(source)))
    np.testing.assert_array_equal(images[back], whole)
    for name in source.heads:
        np.testing.assert_array_equal(labels[name][back], in_order[name])
        np.testing.assert_array_equal(source.take_labels(index)[name], labels[name])


def test_labels_are_of_their_heads_kind(source: Source) -> None:
    labels = source.take_labels(np.arange(len(source)))
    assert list(labels) == list(source.heads)
    for name, head in source.heads.items():
        values = labels[name]
        missing = head.kind.is_missing(values)
        assert values.dtype == np.dtype(head.kind.dtype)
        assert values.shape == (len(source), *head.kind.label_shape(head))
        assert not head.kind.impossible(head, values)[~missing].any()
        assert not missing.any() or name in source.incomplete
        assert source.labelled(np.arange(len(source)))[name] == (~missing).sum()


def test_the_digest_is_of_the_content(source: Source) -> None:
    blocks = list(source.blocks())
    assert sum(len(images) for images, _ in blocks) == len(source)
    assert source.digest() == source.digest()
    name = next(iter(source.heads))
    assert source.select([name]).digest() != source.digest() or len(source.heads) == 1


def test_fewer_heads_leave_the_others_alone(source: Source) -> None:
    *_, last = source.heads
    one = source.select([last])
    index = np.arange(0, len(source), 3)
    np.testing.assert_array_equal(one.take(index)[1][last], source.take(index)[1][last])
    assert one.incomplete == source.incomplete & {last}
