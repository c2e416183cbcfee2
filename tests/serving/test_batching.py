import asyncio
import threading

import numpy as np
import pytest

from multihead.serving.batching import Answer, Batcher
from multihead.serving.errors import RequestError


def _sums(images: np.ndarray) -> Answer:
    return Answer({"sum": images.sum((1, 2, 3))}, {"p": images[:, 0, 0].astype(np.float32)})


def _image(value: int, count: int = 1) -> np.ndarray:
    return np.full((count, 1, 1, 1), value, np.uint8)


def test_requests_that_come_together_are_answered_together_and_apart() -> None:
    """Each gets its own rows, and the network is asked fewer times than there are requests."""
    sizes: list[int] = []

    def network(images: np.ndarray) -> Answer:
        sizes.append(len(images))
        return _sums(images)

    async def ask() -> list[Answer]:
        batcher = Batcher(network, max_batch=8, max_waiting=100)
        jobs = [batcher.answer(_image(n, 1 + n % 3)) for n in range(12)]
        return await asyncio.gather(*jobs)

    answers = asyncio.run(ask())
    assert [a.columns["sum"].tolist() for a in answers] == [[n] * (1 + n % 3) for n in range(12)]
    assert max(sizes) <= 8
    assert len(sizes) < 12


def test_more_than_the_queue_holds_is_a_503() -> None:
    async def ask() -> list[object]:
        go = threading.Event()

        def network(images: np.ndarray) -> Answer:
            go.wait(10)
            return _sums(images)

        batcher = Batcher(network, max_batch=2, max_waiting=4)
        jobs = [asyncio.create_task(batcher.answer(_image(1, 2))) for _ in range(5)]
        await asyncio.sleep(0.05)
        go.set()
        return await asyncio.gather(*jobs, return_exceptions=True)

    refused = [a for a in asyncio.run(ask()) if isinstance(a, RequestError)]
    assert refused
    assert all(error.status == 503 for error in refused)


def test_a_request_nobody_waits_for_is_not_computed() -> None:
    seen: list[int] = []

    def network(images: np.ndarray) -> Answer:
        seen.extend(images[:, 0, 0, 0].tolist())
        return _sums(images)

    async def ask() -> None:
        batcher = Batcher(network, max_batch=1, max_waiting=9)
        first = asyncio.create_task(batcher.answer(_image(1)))
        second = asyncio.create_task(batcher.answer(_image(2)))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await batcher.answer(_image(3))

    asyncio.run(ask())
    assert seen == [1, 3]


def test_a_fault_of_the_network_reaches_everyone_who_waits() -> None:
    def network(images: np.ndarray) -> Answer:
        raise RuntimeError("broken")

    async def ask() -> None:
        batcher = Batcher(network, max_batch=4, max_waiting=9)
        with pytest.raises(RuntimeError, match="broken"):
            await batcher.answer(_image(1))

    asyncio.run(ask())


def test_a_long_request_goes_in_pieces_between_short_ones() -> None:
    """Otherwise a few of a thousand images keep everybody else waiting."""
    sizes: list[int] = []

    def network(images: np.ndarray) -> Answer:
        sizes.append(len(images))
        return _sums(images)

    async def ask() -> list[tuple[int, Answer]]:
        batcher = Batcher(network, max_batch=1000, max_waiting=5000)
        ended: list[tuple[int, Answer]] = []

        async def one(images: np.ndarray) -> None:
            ended.append((len(images), await batcher.answer(images)))

        long = np.arange(1000).reshape(-1, 1, 1, 1).astype(np.uint8)
        await asyncio.gather(one(long), one(long), *(one(_image(n, 3)) for n in range(5)))
        return ended

    ended = asyncio.run(ask())
    assert [size for size, _ in ended] == [3] * 5 + [1000] * 2
    assert max(sizes) < 100
    for _, answer in ended[5:]:
        assert answer.columns["sum"].tolist() == [n % 256 for n in range(1000)]
