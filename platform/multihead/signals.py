"""SIGTERM and Ctrl-C for as long as something is at work, and as before afterwards."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def restored() -> Iterator[None]:
    """Put the handlers of both signals back, whoever replaces them meanwhile."""
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def handled_by(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have both signals call `handle`, and do as before afterwards.

    Args:
        handle: Given the signal and where it came, as by `signal.signal`.
    """
    with restored():
        for signum in SIGNALS:
            signal.signal(signum, handle)
        yield
