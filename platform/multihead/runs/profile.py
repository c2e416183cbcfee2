"""Keep with the run what Lightning's profiler writes: `trainer.profiler`."""

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.profilers import PassThroughProfiler, Profiler

from multihead.tracking.run import TrackedRun

FOLDER = "profile"


def profile_into(trainer: pl.Trainer, folder: Path) -> None:
    """Let the profiler write its reports and traces to `profile/` in the run's folder.

    Lightning prints reports between the lines of the progress bar, and puts traces of all runs
    into one folder. A folder and a file name that are set stay.
    """
    profiler = _profiler(trainer)
    if profiler is not None:
        profiler.dirpath = profiler.dirpath or folder / FOLDER
        profiler.filename = profiler.filename or "profile"


def store_profile(run: TrackedRun, trainer: pl.Trainer) -> Path | None:
    """Record the files in `profile/` as artifacts, and return their folder if there is one."""
    profiler = _profiler(trainer)
    if profiler is None or profiler.dirpath is None:
        return None
    folder = Path(profiler.dirpath)
    if folder == run.folder / FOLDER:
        # A profiler may have written nothing.
        for path in sorted(path for path in folder.glob("*") if path.is_file()):
            run.log_file(path, FOLDER)
    return folder


def _profiler(trainer: pl.Trainer) -> Profiler | None:
    """Return the profiler that was asked for; Lightning's default does nothing."""
    profiler: Profiler = trainer.profiler  # type: ignore[attr-defined]
    return None if isinstance(profiler, PassThroughProfiler) else profiler
