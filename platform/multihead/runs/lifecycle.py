"""Record the final status of a run, for every way in which it can end."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multihead.errors import MultiheadError, RecordLostError, StoreError
from multihead.tracking.run import TrackedRun
from multihead.training.interrupts import Interrupts, RunInterrupted, RunPaused

# Errors of the disk itself.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE}
# Errors of a file or folder that was removed or replaced.
_AWAY = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EEXIST, errno.EISDIR}


@contextmanager
def deserved_status(run: TrackedRun, interrupts: Interrupts) -> Iterator[None]:
    """Record FINISHED, FAILED with its reason, or KILLED; signals wait until that is written.

    Args:
        run: The open run.
        interrupts: Stores the received signals.

    Raises:
        RecordLostError: Instead of any error, if the run's record was deleted.
        StoreError: Instead of an error of the disk.
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
        if error is run.refusal:  # only of a new run; a resumed run is refused before it trains
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
    """Return the underlying error that a user can fix, if there is one; else the error itself."""
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
        return StoreError(
            f"{what} ({error.strerror}); free some disk space or restore it, then resume the run."
        )
    return error
