"""Small sets in shards whose pixels and labels tell the number of the row."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from multihead import Head, Heads
from multihead.vimh.shard_writer import ShardWriter
from multihead.vimh.writer import VIMHWriter

HEADS = Heads([Head("low", 256), Head("high", 256)])


def write_shards(
    where: str | Path, *, train: int = 50, test: int = 7, rows_per_shard: int = 8
) -> Path:
    """Write a set of 2x2x1 images."""
    with ShardWriter(where, HEADS, (1, 2, 2), rows_per_shard=rows_per_shard) as writer:
        _write(writer, train, test)
    return Path(where)


def write_file(folder: Path, *, train: int = 50, test: int = 7) -> Path:
    """Write the same set in the binary form."""
    with VIMHWriter(folder, HEADS, (1, 2, 2), dataset_name="numbers") as writer:
        _write(writer, train, test)
    return folder


def rows(batch: tuple) -> list[int]:
    """Return the row numbers of a batch, by its pixels; its labels must say the same."""
    images, labels = batch
    pixels = (images * 0.5 + 0.5).mul(255).round().long().flatten(1)
    numbers = pixels[:, 0] + 256 * pixels[:, 1]
    assert numbers.tolist() == (labels["low"] + 256 * labels["high"]).tolist()
    return numbers.tolist()


def all_rows(batches: Iterable[tuple]) -> list[list[int]]:
    """Return the row numbers of every batch."""
    return [rows(batch) for batch in batches]


def _write(writer: VIMHWriter, train: int, test: int) -> None:
    for split, count in (("train", train), ("test", test)):
        numbers = np.arange(count)
        images = np.zeros((count, 1, 2, 2), np.uint8)
        images[:, 0, 0, 0], images[:, 0, 0, 1] = numbers % 256, numbers // 256
        writer.write(split, images, {"low": numbers % 256, "high": numbers // 256})
