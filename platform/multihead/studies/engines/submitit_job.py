"""The code of a submitit job: it runs one worker and handles the cluster's signals.

Slurm sends a signal before a job's time ends and before it preempts the job. In both cases, the
worker writes a checkpoint and ends, and another worker continues its trial. The signal decides who
requeues the job:

- SIGUSR2, which submitit requests before the time limit: submitit requeues it.
- SIGTERM: Slurm requeues it, if it preempts the job. Slurm only requeues a job that it has to kill,
  so the job waits for that. After `scancel`, it is killed and not requeued.
- SIGUSR1, from the command that runs the study: nobody requeues it.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from multihead import settings
from multihead.studies.devices import threads
from multihead.studies.engines.process import StudyWorker
from multihead.terminal.lines import say

END = signal.SIGUSR1
_LOOK_SECONDS = 0.2
# How long a job waits to be killed after SIGTERM. If the signal did not come from Slurm, the job
# must not occupy its place without end.
_STAY_SECONDS = 300
_USER_ERROR = 2


def ended_file(folder: Path, job: str) -> Path:
    """Return the file to which a job writes its exit code, unless it is killed or requeued."""
    return folder / f"{job}.ended"


def place_file(folder: Path, job: str) -> Path:
    """Return the file to which a job writes its worker's place, see `registry.place_of`."""
    return folder / f"{job}.place"


@dataclass
class WorkerJob:
    """Runs a worker for as long as the cluster allows. It is pickled, so it holds no secrets.

    The URL of the storage is in the environment, which Slurm passes on to the jobs.

    Attributes:
        study: Name of the study.
        folder: The folder for the files with which the job reports its state.
        environment: Environment variables of the worker, in addition to those of the job.
        cores: Number of cores of the worker. If None, it is that of the job.
    """

    study: str
    folder: Path
    environment: Mapping[str, str]
    cores: int | None
    _heard: set[int] = field(default_factory=set, init=False, repr=False)
    _worker: StudyWorker | None = field(default=None, init=False, repr=False)

    def __call__(self) -> None:
        """Run the worker until no trial is left or a signal arrives."""
        from submitit import JobEnvironment

        job, told = JobEnvironment(), _told_by_submitit()
        url = os.environ.get(settings.STUDIES_VARIABLE)
        if url is None:
            say(
                f"{settings.STUDIES_VARIABLE} is not in the job's environment; sbatch must pass on "
                f"the whole environment (--export=ALL).",
                err=True,
            )
            self._leave(job.job_id, _USER_ERROR)
        requeue: Any = signal.getsignal(told)
        self._start(job.job_id, url or "", {END, told, signal.SIGTERM})
        self._wait()
        if self._heard == {signal.SIGTERM}:
            self._end()
            self._stay()
        if told in self._heard and END not in self._heard:
            requeue(told, None)  # calls `checkpoint` and ends the process
        self._leave(job.job_id, -signal.SIGTERM if self._heard == {signal.SIGTERM} else self._end())

    def _start(self, job: str, url: str, signals: set[int]) -> None:
        for signum in signals:
            signal.signal(signum, self._hear)
        cores = self.cores or int(os.environ.get("SLURM_CPUS_ON_NODE", 0)) or None
        # Some clusters signal all processes of a job. These signals would kill the worker, so they
        # are blocked while it starts.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals - {signal.SIGTERM})
        self._worker = StudyWorker(
            self.study, url, threads(1, cores) | dict(self.environment), self.folder / f"{job}.log"
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        place_file(self.folder, job).write_text(self._worker.place, encoding="utf-8")

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        # The handler must not wait for the worker: the signal may have interrupted such a wait.
        self._heard.add(signum)

    def _wait(self) -> None:
        assert self._worker is not None
        while self._worker.code is None and not self._heard:
            time.sleep(_LOOK_SECONDS)

    def _stay(self) -> None:
        until = time.monotonic() + _STAY_SECONDS
        while self._heard == {signal.SIGTERM} and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)

    def _end(self) -> int:
        """End the worker if it still runs; return its exit code."""
        assert self._worker is not None
        self._worker.end()
        code = self._worker.code
        assert code is not None
        return code

    def _leave(self, job: str, code: int) -> None:
        if self._worker is not None:
            self._end()
        ended_file(self.folder, job).write_text(str(code), encoding="utf-8")
        sys.exit(code if code >= 0 else 128 - code)

    def checkpoint(self) -> Any:
        """End the worker with a checkpoint; return the same job for submitit to requeue."""
        from submitit.helpers import DelayedSubmission

        if self._worker is not None:
            self._end()
        return DelayedSubmission(replace(self))


def _told_by_submitit() -> int:
    from submitit import JobEnvironment

    return signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]
