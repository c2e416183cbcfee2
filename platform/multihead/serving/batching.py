"""Requests that wait while the network is busy are answered together, in one batch.

Nothing ever waits for a batch to fill: while one batch is in the network, the next one gathers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.serving.errors import RequestError

Network = Callable[[NDArray[np.uint8]], "Answer"]


@dataclass(frozen=True)
class Answer:
    """What a network says of some images.

    Attributes:
        columns: Arrays [B] by column name, see `multihead.runs.answers`.
        probabilities: float32 [B, K] by name of the heads that have a distribution.
    """

    columns: Mapping[str, NDArray[Any]]
    probabilities: Mapping[str, NDArray[np.float32]]

    def part(self, start: int, end: int) -> "Answer":
        """Return the answer for some of the images."""
        return Answer(
            {name: values[start:end] for name, values in self.columns.items()},
            {name: values[start:end] for name, values in self.probabilities.items()},
        )


@dataclass(frozen=True)
class _Job:
    images: NDArray[np.uint8]
    answer: "asyncio.Future[Answer]"


class Batcher:
    """The queue before the network.

    Args:
        network: Images uint8 [B, H, W, C] to an answer; called by one thread at a time.
        max_batch: Most images in a batch, and in a request.
        max_waiting: Most images in the queue.
    """

    def __init__(self, network: Network, *, max_batch: int, max_waiting: int) -> None:
        self.network, self.max_batch, self.max_waiting = network, max_batch, max_waiting
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._worker: asyncio.Task[None] | None = None

    async def answer(self, images: NDArray[np.uint8]) -> Answer:
        """Return the network's answer.

        Raises:
            RequestError: 503 if too many images wait already.
        """
        if self._waiting + len(images) > self.max_waiting:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._waiting} images wait already; try again later.",
            )
        job = _Job(images, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._waiting += len(images)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while jobs := self._next():
            images = np.concatenate([j.images for j in jobs]) if len(jobs) > 1 else jobs[0].images
            done = await asyncio.wait({loop.run_in_executor(self._thread, self.network, images)})
            (future,) = done[0]
            start = 0
            for job in jobs:
                end = start + len(job.images)
                if job.answer.done():  # its client no longer waits
                    pass
                elif error := future.exception():
                    job.answer.set_exception(error)
                else:
                    job.answer.set_result(future.result().part(start, end))
                start = end

    def _next(self) -> list[_Job]:
        """Take jobs from the queue that fit into one batch, without those nobody waits for."""
        jobs: list[_Job] = []
        size = 0
        while self._jobs and size + len(self._jobs[0].images) <= self.max_batch:
            job = self._jobs.popleft()
            self._waiting -= len(job.images)
            if not job.answer.done():
                jobs.append(job)
                size += len(job.images)
        return jobs

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
