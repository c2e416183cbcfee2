"""What runs in a job of submitit: one worker, and what the cluster's signals mean to it.

Slurm tells a job before its time is over, and before it is preempted. Either way the worker ends
with a checkpoint, and its trial waits for whoever comes next. Only one side requeues the job:

- the signal that submitit asked for (SIGUSR2): submitit, which does nothing else;
- SIGTERM: Slurm itself, if it preempts. It requeues what it has to kill, and nothing that ends
  before, so the job stays; after `scancel` it is killed for good.
- SIGUSR1, from the command that runs the study: nobody.
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
# How long a job that was told to go waits to be killed, with nothing to do. It would otherwise keep
# its place for ever where SIGTERM came from somebody else.
_STAY_SECONDS = 300
_USER_ERROR = 2


def ended_file(folder: Path, job: str) -> Path:
    """Return the file that a job leaves with its exit code, unless it is killed or requeued."""
    return folder / f"{job}.ended"


def place_file(folder: Path, job: str) -> Path:
    """Return the file in which a job says where its worker runs, as `registry.place_of` does."""
    return folder / f"{job}.place"


@dataclass
class WorkerJob:
    """A worker for as long as the cluster allows; pickled, so it holds no secret.

    The URL of the storage is in the environment, which Slurm hands on to the jobs.

    Attributes:
        study: Name of the study.
        folder: Where the job leaves word of itself.
        environment: Of the worker, beside that of the job.
        cores: For the worker; those of the job if none.
    """

    study: str
    folder: Path
    environment: Mapping[str, str]
    cores: int | None
    _heard: set[int] = field(default_factory=set, init=False, repr=False)
    _worker: StudyWorker | None = field(default=None, init=False, repr=False)

    def __call__(self) -> None:
        """Work until nothing is left, or until a signal comes."""
        from submitit import JobEnvironment

        job, told = JobEnvironment(), _told_by_submitit()
        url = os.environ.get(settings.STUDIES_VARIABLE)
        if url is None:
            say(
                f"{settings.STUDIES_VARIABLE} is not in the job's environment; have sbatch hand "
                f"on all of it (--export=ALL).",
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
        # Some clusters signal all processes of a job: to the worker, these would be the end.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals - {signal.SIGTERM})
        self._worker = StudyWorker(
            self.study, url, threads(1, cores) | dict(self.environment), self.folder / f"{job}.log"
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        place_file(self.folder, job).write_text(self._worker.place, encoding="utf-8")

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        # Waiting for the worker in here could block: the signal may have come amid such a wait.
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
        """End the worker, if it has not; return its code."""
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
        """Return what submitit requeues: the same job, once its worker has written a checkpoint."""
        from submitit.helpers import DelayedSubmission

        if self._worker is not None:
            self._end()
        return DelayedSubmission(replace(self))


def _told_by_submitit() -> int:
    from submitit import JobEnvironment

    return signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]
