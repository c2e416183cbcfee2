"""How a run ends: the status it deserves, whatever ends it."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multihead.errors import MultiheadError, RecordLostError, StoreError
from multihead.tracking.run import TrackedRun
from multihead.training.interrupts import Interrupts, RunInterrupted, RunPaused

# What a disk says, whatever is written to it.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE}
# What it says of a file that was taken away.
_AWAY = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EEXIST, errno.EISDIR}


@contextmanager
def deserved_status(run: TrackedRun, interrupts: Interrupts) -> Iterator[None]:
    """Record FINISHED, FAILED with its reason, or KILLED; signals wait for that.

    Args:
        run: Open.
        interrupts: Where signals are noted.

    Raises:
        RecordLostError: In place of any error, if the run's record is gone.
        StoreError: In place of an error of the disk.
    """
    try:
        yield
        interrupts.held = True
        run.check()
    except (RunInterrupted, RunPaused) as stop:
        interrupts.held = True
        run.finish("KILLED", str(stop), stop.exit_code)
        raise
    except KeyboardInterrupt:
        interrupts.held = True
        run.finish("KILLED", "interrupted", 130)
        raise
    except BaseException as error:
        interrupts.held = True
        if error is run.refusal:  # a new run; one that goes on is refused before it trains
            run.discard()
            raise
        cause = _cause(run, error)
        reason = " ".join(f"{type(cause).__name__}: {cause}".split())
        run.finish("FAILED", reason, 2 if isinstance(cause, MultiheadError) else 1)
        if cause is error:
            raise
        raise cause from error
    run.finish("FINISHED")


def _cause(run: TrackedRun, error: BaseException) -> BaseException:
    """Return what a user can mend, if that is what the error comes from; else the error."""
    try:
        run.check()
    except (RecordLostError, StoreError) as cause:
        return error if isinstance(error, type(cause)) else cause
    if not isinstance(error, OSError) or isinstance(error, ConnectionError):
        return error
    file = Path(str(error.filename)) if error.filename else None
    ours = (run.store.home, Path(tempfile.gettempdir()))
    taken = file is not None and any(file.is_relative_to(place) for place in ours)
    if error.errno in _DISK or (error.errno in _AWAY and taken):
        what = f"{file} cannot be used" if file else "the disk fails"
        return StoreError(f"{what} ({error.strerror}); make room or put it back, and resume.")
    return error
