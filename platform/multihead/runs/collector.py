"""Keep the garbage collector from walking the libraries' objects during training."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Asking the collector itself (`gc.get_freeze_count`) walks all that is frozen.
_FROZEN: ContextVar[bool] = ContextVar("frozen", default=False)


@contextmanager
def few_collections() -> Iterator[None]:
    """Leave alone what is alive now, until the end; within itself this does nothing.

    MLflow, SQLAlchemy and torch leave a million objects, and a step makes enough new ones to
    have them all looked at again and again: a tenth of the time of a small network's step.
    """
    if _FROZEN.get():
        yield
        return
    gc.collect()
    gc.freeze()
    token = _FROZEN.set(True)
    try:
        yield
    finally:
        _FROZEN.reset(token)
        gc.unfreeze()
