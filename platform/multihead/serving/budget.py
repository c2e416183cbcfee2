"""The memory that all requests together may hold.

A request takes from it before it holds memory, and gives all back when it is answered. What does
not fit is refused, with two exceptions that keep small requests answered beside large and slow
ones: large ones leave a quarter to others, and bodies that arrive slowly give way.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from multihead.serving.errors import RequestError

_SMALL = 1 / 64  # of the budget; a request that holds more is large
_FOR_LARGE = 3 / 4
_SLOW_SECONDS = 1.0  # a body on the way for longer than this gives way


class Budget:
    """A number of bytes, shared by requests of any thread.

    Args:
        most: Bytes that all may hold together.
    """

    def __init__(self, most: int) -> None:
        self.most, self.used = most, 0
        self._lock = threading.RLock()
        self._arriving: dict[Share, Callable[[], None]] = {}

    @contextmanager
    def share(self) -> "Iterator[Share]":
        """Yield what one request holds; at the end it holds nothing."""
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
        """Have the body that is on the way for longest give way.

        Raises:
            RequestError: 503 if there is none.
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
            f"the requests before this one hold {self.used:,} of {self.most:,} bytes; "
            f"try again later.",
        )


class Share:
    """What one request holds of a budget.

    Attributes:
        held: Bytes.
        gave_way: Whether it was given up while its body arrived, to make room for others.
    """

    def __init__(self, budget: Budget) -> None:
        self.held, self.gave_way = 0, False
        self.begun = time.monotonic()
        self._budget = budget

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            RequestError: 503 if they do not fit, or this share gave way.
        """
        if self.gave_way:
            raise slow_body()
        self._budget._take(self, size)

    def give_back(self) -> None:
        """Hold nothing any more."""
        self._budget._give(self, self.held)

    @contextmanager
    def during(self, size: int) -> Iterator[None]:
        """Hold more bytes for a while; see `take`."""
        self.take(size)
        try:
            yield
        finally:
            self._budget._give(self, size)

    @contextmanager
    def arriving(self, give_up: Callable[[], None]) -> Iterator[None]:
        """Say that a body is on the way.

        Args:
            give_up: Called when it gives way, in any thread.
        """
        self._budget._begin(self, give_up)
        try:
            yield
        finally:
            self._budget._end(self)


def slow_body() -> RequestError:
    """Return the error of a body that gave way."""
    return RequestError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the body arrived so slowly that it gave way to others; try again later.",
    )
