"""How a run ends: the status it deserves, whatever ends it."""

from collections.abc import Iterator
from contextlib import contextmanager

from multihead.errors import MultiheadError
from multihead.tracking.run import TrackedRun
from multihead.training.interrupts import Interrupts, RunInterrupted


@contextmanager
def deserved_status(run: TrackedRun, interrupts: Interrupts) -> Iterator[None]:
    """Record FINISHED, FAILED with its reason, or KILLED; signals wait for that.

    Args:
        run: Open.
        interrupts: Where signals are noted.
    """
    try:
        yield
        interrupts.held = True
    except RunInterrupted as stop:
        interrupts.held = True
        run.finish("KILLED", str(stop), stop.exit_code)
        raise
    except KeyboardInterrupt:
        interrupts.held = True
        run.finish("KILLED", "interrupted", 130)
        raise
    except BaseException as error:
        interrupts.held = True
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        run.finish("FAILED", reason, 2 if isinstance(error, MultiheadError) else 1)
        raise
    run.finish("FINISHED")
