"""A memory budget for all requests together.

A request takes its share before it allocates memory, and returns it when it is answered. A request
that does not fit is refused. Two rules keep room for small requests:

- Large requests leave a quarter of the budget to others.
- If memory is short, the body that has been arriving longest, for over a second, is cancelled.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from multihead.serving.errors import RequestError

_SMALL = 1 / 64  # share of the budget; a request that uses more is large
_FOR_LARGE = 3 / 4
_SLOW_SECONDS = 1.0  # a body that takes longer to arrive may be cancelled


class Budget:
    """A number of bytes that requests share. It is thread-safe.

    Args:
        most: Bytes that all requests together may use.
    """

    def __init__(self, most: int) -> None:
        self.most, self.used = most, 0
        self._lock = threading.RLock()
        self._arriving: dict[Share, Callable[[], None]] = {}

    @contextmanager
    def share(self) -> "Iterator[Share]":
        """Yield the share of one request; at the end the share is returned."""
        share = Share(self)
        try:
            yield share
        finally:
            share.give_back()

    def _take(self, share: "Share", size: int) -> None:
        with self._lock:
            large = share.held + size > _SMALL * self.most
            limit = _FOR_LARGE * self.most if large else self.most
            while self.used + size > limit:
                self._make_room(share)
            share.held += size
            self.used += size

    def _give(self, share: "Share", size: int) -> None:
        with self._lock:
            share.held -= size
            self.used -= size

    def _begin(self, share: "Share", give_up: Callable[[], None]) -> None:
        with self._lock:
            self._arriving[share] = give_up

    def _end(self, share: "Share") -> None:
        with self._lock:
            del self._arriving[share]

    def _make_room(self, asking: "Share") -> None:
        """Cancel the body that has been arriving for the longest time.

        Raises:
            RequestError: 503 if there is no slow body.
        """
        slow = time.monotonic() - _SLOW_SECONDS
        for share, give_up in self._arriving.items():
            if share is not asking and share.begun < slow and share.held:
                share.gave_way = True
                self._give(share, share.held)
                give_up()
                return
        raise RequestError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"other requests use {self.used:,} of {self.most:,} bytes; try again later.",
        )


class Share:
    """The share of one request in a budget.

    Attributes:
        held: Bytes in use.
        gave_way: Whether the request was cancelled while its body arrived, to make room.
    """

    def __init__(self, budget: Budget) -> None:
        self.held, self.gave_way = 0, False
        self.begun = time.monotonic()
        self._budget = budget

    def take(self, size: int) -> None:
        """Take more bytes.

        Raises:
            RequestError: 503 if they do not fit, or the request was cancelled.
        """
        if self.gave_way:
            raise slow_body()
        self._budget._take(self, size)

    def give_back(self) -> None:
        """Return all bytes."""
        self._budget._give(self, self.held)

    @contextmanager
    def during(self, size: int) -> Iterator[None]:
        """Take more bytes within a `with` block; see `take`."""
        self.take(size)
        try:
            yield
        finally:
            self._budget._give(self, size)

    @contextmanager
    def arriving(self, give_up: Callable[[], None]) -> Iterator[None]:
        """Mark the body as arriving within a `with` block, so that it may be cancelled.

        Args:
            give_up: Called when the body is cancelled, from any thread.
        """
        self._budget._begin(self, give_up)
        try:
            yield
        finally:
            self._budget._end(self)


def slow_body() -> RequestError:
    """Return the error for a body that was cancelled because it was slow."""
    return RequestError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the body arrived slowly, and other requests needed the memory; try again later.",
    )
