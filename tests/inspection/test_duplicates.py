"""Copies are told by every byte of the picture, and by nothing else."""

import numpy as np

from multihead.heads import Head, Heads
from multihead.inspection.duplicates import copies_across, copies_within, fingerprints

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 2, 3, 3)).astype(np.uint8)
LABELS = {"a": np.arange(6)}
HEADS = Heads([Head("a", 6)])


def test_pictures_that_differ_in_one_byte_are_different() -> None:
    other = IMAGES.copy()
    other[:, 1, 2, 2] ^= 1
    assert not set(fingerprints(IMAGES).tolist()) & set(fingerprints(other).tolist())


def test_the_later_of_two_in_a_split_is_the_copy() -> None:
    images = IMAGES[[0, 1, 2, 1, 1]]
    found = copies_within("train", fingerprints(images), {"a": np.array([0, 1, 2, 1, 3])}, HEADS)
    assert found.count == 2
    assert found.conflicting == 1
    assert found.examples == ((1, 3), (1, 4))


def test_copies_across_splits_name_both_places() -> None:
    test = IMAGES[[5, 3]]
    prints = fingerprints(IMAGES[:5]), fingerprints(test)
    codes = {"a": LABELS["a"][:5]}, {"a": np.array([5, 3])}
    found = copies_across("train", "test", prints, codes, HEADS)
    assert (found.count, found.conflicting, found.examples) == (1, 0, ((3, 1),))


def test_no_copies_are_none() -> None:
    assert copies_within("train", fingerprints(IMAGES), LABELS, HEADS).count == 0
    empty = fingerprints(IMAGES[:0])
    none = {"a": LABELS["a"][:0]}
    found = copies_across("a", "b", (fingerprints(IMAGES), empty), (LABELS, none), HEADS)
    assert found.count == 0


def test_a_label_that_is_missing_contradicts_no_other() -> None:
    prints = fingerprints(IMAGES[[0, 0, 0]])
    assert copies_within("train", prints, {"a": np.array([1, -1, 2])}, HEADS).conflicting == 1
