from itertools import chain

import numpy as np
import pytest
import torch

from multihead.data.loader import (
    AheadLoader,
    EpochSampler,
    ResidentLoader,
    Resumable,
    WorkerLoader,
    resident_loader,
)
from multihead.data.source import Source
from multihead.heads import Heads

CPU = torch.device("cpu")


@pytest.fixture
def source() -> Source:
    images = np.arange(10 * 4, dtype=np.uint8).reshape(10, 1, 2, 2)
    heads = Heads.from_outputs({"digit": 10})
    return Source("tiny", images, {"digit": np.arange(10)}, heads, (0.5,), (0.25,))


def _resident(source: Source, seed: int | None = 7) -> ResidentLoader:
    return resident_loader(source, np.arange(10), batch_size=3, seed=seed, device=CPU)


def _worker(source: Source, workers: int = 0) -> WorkerLoader:
    return WorkerLoader(source, np.arange(10), EpochSampler(10, 3, 7), num_workers=workers)


def _ahead(source: Source) -> AheadLoader:
    return AheadLoader(source, np.arange(10), EpochSampler(10, 3, 7), CPU)


def _digits(loader: Resumable) -> list[list[int]]:
    return [labels["digit"].tolist() for _, labels in loader]


def test_an_epoch_holds_every_sample_once(source: Source) -> None:
    batches = _digits(_resident(source))
    assert [len(b) for b in batches] == [3, 3, 4]
    assert sorted(chain(*batches)) == list(range(10))


def test_the_order_depends_on_seed_and_epoch_alone(source: Source) -> None:
    first, second = _resident(source), _resident(source)
    for loader in (first, second):
        loader.batch_sampler.set_epoch(4)
    later = _digits(first)
    assert later == _digits(second)
    first.batch_sampler.set_epoch(5)
    assert _digits(first) != later


def test_without_a_seed_samples_come_in_their_own_order(source: Source) -> None:
    assert list(chain(*_digits(_resident(source, seed=None)))) == list(range(10))


def test_images_are_normalised_with_the_sources_figures(source: Source) -> None:
    images, labels = next(iter(_resident(source)))
    raw = torch.from_numpy(source.images[labels["digit"]]).float()
    torch.testing.assert_close(images, (raw / 255 - 0.5) / 0.25)


@pytest.mark.parametrize("workers", [0, 1])
def test_workers_give_the_same_batches_as_the_resident_loader(source: Source, workers: int) -> None:
    resident, worker = _resident(source), _worker(source, workers)
    for epoch in (0, 1):
        for loader in (resident, worker):
            loader.batch_sampler.set_epoch(epoch)
        for (a, a_labels), (b, b_labels) in zip(resident, worker, strict=True):
            torch.testing.assert_close(a, b)
            assert a_labels["digit"].tolist() == b_labels["digit"].tolist()


def test_batches_that_are_read_ahead_are_those_of_the_resident_loader(source: Source) -> None:
    resident, ahead = _resident(source), _ahead(source)
    for epoch in (0, 1):
        for loader in (resident, ahead):
            loader.batch_sampler.set_epoch(epoch)
        for (a, a_labels), (b, b_labels) in zip(resident, ahead, strict=True):
            assert torch.equal(a, b)
            assert a_labels["digit"].tolist() == b_labels["digit"].tolist()


@pytest.mark.parametrize("make", [_resident, _worker, _ahead])
def test_an_interrupted_epoch_goes_on_at_the_next_batch(source: Source, make) -> None:
    whole = _digits(make(source))
    loader = make(source)
    batches = iter(loader)
    next(batches), next(batches)
    resumed = make(source)
    resumed.load_state_dict(loader.state_dict())
    assert _digits(resumed) == whole[2:]
    assert _digits(resumed) == whole


def test_after_a_whole_epoch_the_next_starts_at_its_first_batch(source: Source) -> None:
    loader = _resident(source)
    _digits(loader)
    assert loader.state_dict() == {"next_batch": 0}


@pytest.mark.parametrize("mixes", [False, True])
def test_the_indices_of_an_epoch_are_on_the_device_before_its_first_batch(mixes: bool) -> None:
    """On a GPU, a copy for each batch would make the CPU wait."""
    sampler = EpochSampler(10, 3, 7)
    sampler.with_next = mixes
    batches = sampler.batches(torch.device("meta"))
    assert [(batch.device.type, len(batch)) for batch in batches] == [
        ("meta", size + mixes) for size in (3, 3, 4)
    ]


def test_a_single_image_left_over_joins_the_batch_before_it() -> None:
    """Batch norm cannot train on one image."""
    sampler = EpochSampler(9, 4, seed=1)
    assert [len(batch) for batch in sampler] == [4, 5]
    assert len(sampler) == 2
    assert [len(batch) for batch in EpochSampler(9, 4, seed=None)] == [4, 4, 1]
    assert [len(batch) for batch in EpochSampler(3, 1, seed=1)] == [1, 1, 1]
    assert [len(batch) for batch in EpochSampler(1, 4, seed=1)] == [1]
