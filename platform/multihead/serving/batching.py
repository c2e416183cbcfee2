"""Combine requests that wait for the network into one batch.

No request waits for a batch to fill: the next batch collects requests while the network computes
the current one. A request with many images is split into pieces, and each batch has at most one
such piece. So requests with few images do not wait for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.serving.errors import RequestError

_PIECE = 64  # largest number of images of a long request in one batch

Network = Callable[[NDArray[np.uint8]], "Answer"]


@dataclass(frozen=True)
class Answer:
    """The predictions for some images.

    Attributes:
        columns: Arrays [B] by column name; see `multihead.runs.answers`.
        probabilities: float32 [B, K] by head name, for heads with probabilities.
    """

    columns: Mapping[str, NDArray[Any]]
    probabilities: Mapping[str, NDArray[np.float32]]

    def part(self, start: int, end: int) -> "Answer":
        """Return the answer for some of the images."""
        return Answer(
            {name: values[start:end] for name, values in self.columns.items()},
            {name: values[start:end] for name, values in self.probabilities.items()},
        )

    @staticmethod
    def whole(parts: "Sequence[Answer]") -> "Answer":
        """Return the answer for the images of all parts."""
        if len(parts) == 1:
            return parts[0]
        first = parts[0]
        return Answer(
            {name: np.concatenate([p.columns[name] for p in parts]) for name in first.columns},
            {
                name: np.concatenate([p.probabilities[name] for p in parts])
                for name in first.probabilities
            },
        )


@dataclass(eq=False)
class _Job:
    images: NDArray[np.uint8]  # images that are not computed yet
    answer: "asyncio.Future[Answer]"
    parts: list[Answer] = field(default_factory=list)


class Batcher:
    """The queue before the network.

    Args:
        network: Returns the answer for images uint8 [B, H, W, C]; called by one thread at a time.
        max_batch: Largest number of images in a batch, and in a request.
        max_waiting: Largest number of images in the queue.
    """

    def __init__(self, network: Network, *, max_batch: int, max_waiting: int) -> None:
        self.network, self.max_batch, self.max_waiting = network, max_batch, max_waiting
        self._piece = max(1, min(_PIECE, max_batch // 2))  # leaves room for short requests
        self._short: deque[_Job] = deque()
        self._long: deque[_Job] = deque()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._worker: asyncio.Task[None] | None = None

    async def answer(self, images: NDArray[np.uint8]) -> Answer:
        """Return the network's answer.

        Raises:
            RequestError: 503 if too many images are waiting.
        """
        if self._waiting + len(images) > self.max_waiting:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._waiting} images are already waiting; try again later.",
            )
        job = _Job(images, asyncio.get_running_loop().create_future())
        (self._short if len(images) <= self._piece else self._long).append(job)
        self._waiting += len(images)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next():
            pieces = [images for _, images in batch]
            images = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
            done = await asyncio.wait({loop.run_in_executor(self._thread, self.network, images)})
            (future,) = done[0]
            start = 0
            for job, images in batch:
                end = start + len(images)
                if job.answer.done():  # the client has cancelled the request
                    pass
                elif error := future.exception():
                    job.answer.set_exception(error)
                else:
                    job.parts.append(future.result().part(start, end))
                    if not len(job.images):
                        job.answer.set_result(Answer.whole(job.parts))
                start = end

    def _next(self) -> list[tuple[_Job, NDArray[np.uint8]]]:
        """Take the images of the next batch: a piece of a long request, and short requests."""
        while self._long and self._long[0].answer.done():  # the client has cancelled it
            self._waiting -= len(self._long.popleft().images)
        batch = [self._take(self._long, self._piece)] if self._long else []
        room = self.max_batch - sum(len(images) for _, images in batch)
        while self._short and len(self._short[0].images) <= room:
            job, images = self._take(self._short, room)
            if not job.answer.done():
                batch.append((job, images))
                room -= len(images)
        return batch

    def _take(self, queue: "deque[_Job]", most: int) -> tuple[_Job, NDArray[np.uint8]]:
        """Take images of the first request; remove it from the queue when none are left."""
        job = queue[0]
        images, job.images = job.images[:most], job.images[most:]
        self._waiting -= len(images)
        if not len(job.images):
            queue.popleft()
        return job, images

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
