"""An inspection counts what is there, in pieces, and says what to look at."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from multihead import Head, Heads, Source
from multihead.errors import DataError
from multihead.heads import Parameter
from multihead.inspection.duplicates import fingerprints
from multihead.inspection.findings import (
    balance_table,
    findings,
    heads_table,
    label_bins,
)
from multihead.inspection.inspect import chunks, inspect_sources

NOTE = Head("note", 256, kind="ordinal", parameter=Parameter(30, 81, unit="semitones"))
SHAPE = Head("shape", 3, ("round", "square", "flat"))
Make = Callable[..., Source]


@pytest.fixture
def make() -> Make:
    """Return a function that makes a source of random pictures with even labels."""

    def make(
        count: int = 96,
        seed: int = 0,
        channels: int = 2,
        side: int = 4,
        note: NDArray[np.int64] | None = None,
    ) -> Source:
        rng = np.random.default_rng(seed)
        return Source(
            "made",
            rng.integers(1, 255, (count, channels, side, side + 1)).astype(np.uint8),
            {
                "note": np.linspace(0, 255, count).astype(np.int64) if note is None else note,
                "shape": rng.permutation(np.arange(count) % 3),
            },
            Heads([NOTE, SHAPE]),
            (0.5,) * channels,
            (0.5,) * channels,
        )

    return make


def test_a_sound_dataset_gives_no_findings(make: Make) -> None:
    assert findings(inspect_sources({"train": make(), "test": make(seed=1)})) == []


def test_figures_do_not_depend_on_the_pieces(make: Make) -> None:
    source = make(side=180)  # 6 MB
    assert len(list(chunks(source))) == 2
    found = inspect_sources({"train": source}).splits["train"]
    assert found.prints.tolist() == fingerprints(source.images).tolist()
    axes = (0, 2, 3)
    assert found.channels["min"].tolist() == source.images.min(axis=axes).tolist()
    assert found.channels["max"].tolist() == source.images.max(axis=axes).tolist()
    assert found.channels["mean"].to_numpy() == pytest.approx(source.images.mean(axis=axes))
    assert found.channels["std"].to_numpy() == pytest.approx(source.images.std(axis=axes))
    assert np.bincount(found.known(SHAPE)).tolist() == [32, 32, 32]


def test_only_a_few_megabytes_are_read_at_a_time(make: Make) -> None:
    asked: list[int] = []

    class Watched(Source):
        def take(
            self, index: NDArray[np.int64]
        ) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
            asked.append(len(index) * 2 * 180 * 181)
            return super().take(index)

    source = make(side=180)
    watched = Watched(
        source.name, source.images, source.labels, source.heads, source.mean, source.std
    )
    inspect_sources({"train": watched}, samples=4)
    assert max(asked) <= 4 << 20 < sum(asked)


def test_a_constant_channel_is_found_with_its_value(make: Make) -> None:
    source = make()
    source.images[:, 1] = 7
    assert findings(inspect_sources({"train": source})) == [
        "Channel 1 is constant in train: every pixel is 7."
    ]


def test_test_pictures_that_are_in_training_are_found(make: Make) -> None:
    train, test = make(), make(seed=1)
    test.images[[4, 9]] = train.images[[11, 30]]
    (text,) = findings(inspect_sources({"train": train, "test": test}))
    assert text.startswith("2 test samples have their picture also in train (2.1%")
    assert "4 = 11, 9 = 30" in text


def test_rare_and_missing_labels_are_found_in_each_split(make: Make) -> None:
    train = make()
    train.labels["shape"][:] = 0
    train.labels["shape"][:5] = 1
    found = inspect_sources({"train": train})
    assert "shape: 1 of 3 labels never occur in train (flat)." in findings(found)
    row = balance_table(found).set_index("head").loc["shape"]
    assert (row["seen"], row["imbalance"]) == (2, np.inf)
    train.labels["shape"][-5:] = 2
    assert (
        "shape: round occurs 17 times as often as square in train (to weigh them alike: "
        "model.class_weights.shape=balanced)."
    ) in findings(inspect_sources({"train": train}))


def test_a_head_that_follows_from_another_is_named(make: Make) -> None:
    source = make(600)
    source.labels["shape"][:] = source.labels["note"] // 86
    texts = findings(inspect_sources({"train": source}))
    assert "shape is a function of note: each label of note has one label of shape." in texts


def test_an_empty_split_is_a_finding(make: Make) -> None:
    found = inspect_sources({"train": make(0), "test": make()})
    assert findings(found) == ["The split train is empty."]
    assert found.samples.split == "test"
    assert len(inspect_sources({"train": make(0)}).samples.index) == 0


def test_splits_that_are_not_alike_are_refused(make: Make) -> None:
    with pytest.raises(DataError, match=r"the split test has images \[3, 4, 5\]"):
        inspect_sources({"train": make(), "test": make(channels=3)})


def test_a_damaged_label_names_its_sample(make: Make) -> None:
    with pytest.raises(DataError, match="image 3"):
        replace(make(), labels={"note": np.full(96, 255), "shape": np.arange(96)})


def test_labels_read_in_units() -> None:
    assert NOTE.text(255) == "81 semitones"
    assert SHAPE.text(1) == "square"
    assert Head("size", 3, first=20).text(2) == "22"


def test_levels_are_counted_in_bins(make: Make) -> None:
    inspection = inspect_sources({"train": make(note=np.arange(256)[:96])})
    names, counts = label_bins(inspection, NOTE)
    assert counts["train"].tolist() == [16] * 6 + [0] * 10
    assert names[0] == "30 semitones"


def test_heads_are_listed_with_range_and_unit(make: Make) -> None:
    row = heads_table(inspect_sources({"train": make()})).iloc[0]
    assert (row["head"], row["labels"], row["from"], row["to"]) == (
        "note",
        256,
        "30 semitones",
        "81 semitones",
    )
