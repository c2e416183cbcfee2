"""Keep the garbage collector from scanning the libraries' objects during training."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Not `gc.get_freeze_count`, which walks through all frozen objects.
_FROZEN: ContextVar[bool] = ContextVar("frozen", default=False)


@contextmanager
def few_collections() -> Iterator[None]:
    """Exclude all existing objects from garbage collection inside the `with` block.

    MLflow, SQLAlchemy and torch create a million objects. Without this, the collector scans them
    again and again, which takes a tenth of a small network's step.

    A nested call only collects the objects created since the outer call. A worker trains one run
    after the other, and the objects of a finished run form cycles that hold its images. So this
    frees the last run's images before the next run starts.
    """
    if _FROZEN.get():
        gc.collect()
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
