"""Handle SIGTERM and Ctrl-C inside a `with` block, and restore the handlers afterwards."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def restored() -> Iterator[None]:
    """Restore the handlers of both signals at the end of the block."""
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def handled_by(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call `handle` for both signals inside the block.

    Args:
        handle: A handler with the signal's number and the current stack frame, as for
            `signal.signal`.
    """
    with restored():
        for signum in SIGNALS:
            signal.signal(signum, handle)
        yield
