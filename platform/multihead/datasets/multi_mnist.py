"""MultiMNIST: two digits in one picture, with the heads left and right.

Source: S. Sabour, N. Frosst and G. E. Hinton, Dynamic Routing Between Capsules, NeurIPS 2017.
The construction is that of O. Sener and V. Koltun, Multi-Task Learning as Multi-Objective
Optimization, NeurIPS 2018, section 5.1.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source, Split
from multihead.datasets.mnist import MIRRORED, mnist
from multihead.heads import Head, Heads

CANVAS, SHIFT, SIDE = 36, 6, 28
# Training and validation must not share a digit, so digits are paired within groups, and a group
# stays in one part. Groups are small, so that nearly any split sizes are possible.
_GROUP = 20
_BLOCK = 8192

Images = NDArray[np.uint8]
Index = NDArray[np.int64]


def multi_mnist(data_dir: Path, split: Split, pairing_seed: int = 0) -> Source:
    """Return pictures of two digits: one picture for each digit of a file of MNIST, in its order.

    The left digit is the digit of the file. The right one is another digit of the same file, drawn
    at random from its group (see `deal`). Training, validation and test pictures share no digit.

    Args:
        data_dir: See `read_mnist`.
        split: `train` or `test`.
        pairing_seed: Seed of the pairs of digits.

    Raises:
        DataError: If a file is missing or damaged, or its images are not of 28x28 pixels.
    """
    source = mnist(data_dir, split)
    right = draw_partners(len(source), pairing_seed)
    digits = source.labels["digit"]
    return Source(
        name="multi_mnist",
        images=overlay(source.images[:, 0], right)[:, None],
        labels={"left": digits, "right": digits[right]},
        heads=Heads([Head("left", 10), Head("right", 10)]),
        # Mean and deviation of MNIST, as in publications.
        mean=source.mean,
        std=source.std,
        groups=deal(len(source), pairing_seed),
        breaks={"left": MIRRORED, "right": MIRRORED},
    )


def deal(count: int, seed: int) -> Index:
    """Return a random group of each of `count` digits, [N]. Groups have 20; the last has fewer."""
    groups = np.empty(count, np.int64)
    groups[np.random.default_rng([seed, count]).permutation(count)] = np.arange(count) // _GROUP
    return groups


def draw_partners(count: int, seed: int) -> Index:
    """Return the index of a random other digit in the group of each of `count` digits, [N].

    A digit that is alone in its group is its own partner.
    """
    order = np.argsort(deal(count, seed), kind="stable")
    place = np.arange(count)
    start = place // _GROUP * _GROUP
    size = np.minimum(start + _GROUP, count) - start
    step = np.random.default_rng([seed, count, 1]).integers(1, np.maximum(size, 2))
    partners = np.empty(count, np.int64)
    partners[order] = order[start + (place - start + step) % size]
    return partners


def overlay(digits: Images, right: Index) -> Images:
    """Put two digits into each picture.

    The canvas has 36x36 pixels. The left digit is at rows and columns 0 to 27, the right one at 6
    to 33. Where they overlap, the brighter pixel is taken. Then the canvas is scaled to 28x28: each
    new pixel is the old pixel under its centre.

    Args:
        digits: uint8 [N, 28, 28].
        right: Index of the right digit of each picture, [N].

    Returns:
        uint8 [N, 28, 28].
    """
    kept = (2 * np.arange(SIDE) + 1) * CANVAS // (2 * SIDE)
    left_at, right_at = kept < SIDE, (kept >= SHIFT) & (kept < SHIFT + SIDE)
    of_left, of_right = kept[left_at], kept[right_at] - SHIFT
    pictures = np.zeros((len(digits), SIDE, SIDE), np.uint8)
    for start in range(0, len(digits), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = pictures[part]
        block[np.ix_(np.arange(len(block)), left_at, left_at)] = digits[part][
            :, of_left[:, None], of_left
        ]
        there = np.ix_(np.arange(len(block)), right_at, right_at)
        block[there] = np.maximum(block[there], digits[right[part]][:, of_right[:, None], of_right])
    return pictures
