"""Batches shared by several processes: the parts make up the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from multihead.data.loader import EpochSampler, Normalise, ResidentLoader, WorkerLoader
from multihead.data.ranks import Ranks
from multihead.data.source import Source
from multihead.heads import Head, Heads


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("count", range(8))
def test_the_parts_in_order_are_the_batch(world_size: int, count: int) -> None:
    parts = [list(range(count))[Ranks(r, world_size).part(count)] for r in range(world_size)]
    assert [sample for part in parts for sample in part] == list(range(count))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize(("count", "world_size"), [(23, 2), (22, 2), (21, 3), (25, 4)])
def test_a_batch_of_all_ranks_is_that_of_one_process(
    count: int, world_size: int, seed: int | None
) -> None:
    """Also in an epoch that goes on after its second batch."""
    samplers = [EpochSampler(count, 5, seed, Ranks(r, world_size)) for r in range(world_size)]
    alone = EpochSampler(count, 5, seed)
    for first in (0, 2):
        for sampler in (alone, *samplers):
            sampler.set_epoch(4)
            sampler.first_batch = first
        parts = zip(*[sampler.batches() for sampler in samplers], strict=True)
        for whole, together in zip(alone.batches(), parts, strict=True):
            assert torch.cat(together).tolist() == whole.tolist()


@pytest.mark.parametrize("kind", ["resident", "workers"])
def test_loaders_of_two_ranks_give_every_sample_once(kind: str, tmp_path: Path) -> None:
    """Two workers for each of two ranks, and a last batch of a single sample."""
    seen: list[int] = []
    for rank in range(2):
        sampler = EpochSampler(21, 4, None, Ranks(rank, 2))
        for images, labels in _loader(kind, sampler):
            assert len(images) == len(labels["number"])
            seen += labels["number"].tolist()
    assert sorted(seen) == list(range(21))


def _loader(kind: str, sampler: EpochSampler) -> ResidentLoader | WorkerLoader:
    numbers: NDArray[np.int64] = np.arange(21)
    images = np.zeros((21, 1, 2, 2), np.uint8)
    if kind == "resident":
        normalise = Normalise([0.0], [1.0], torch.device("cpu"))
        labels = {"number": torch.from_numpy(numbers)}
        return ResidentLoader(torch.from_numpy(images), labels, sampler, normalise)
    source = Source(
        "numbers", images, {"number": numbers}, Heads([Head("number", 21)]), (0.0,), (1.0,)
    )
    return WorkerLoader(source, numbers, sampler, num_workers=2)
