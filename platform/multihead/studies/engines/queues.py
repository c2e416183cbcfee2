"""Query and end the jobs of a study, in Slurm's queue or on this machine."""

import logging
import platform
import shutil
import signal
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

import psutil

from multihead.errors import ConfigError, StoreError
from multihead.studies.engines.submitit_job import END

_ANSWER_SECONDS = 60
_PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "sinfo")
_notices = logging.getLogger("multihead.studies")


class Queue(Protocol):
    """The queue in which jobs wait and run.

    Attributes:
        patience: Seconds between two queries.
    """

    patience: float

    def states(self, jobs: Collection[str]) -> dict[str, bool] | None:
        """Return the jobs that still exist, and whether each has begun; None if unknown."""

    def end(self, jobs: Collection[str]) -> None:
        """Ask running jobs to write a checkpoint and end."""

    def drop(self, jobs: Collection[str]) -> None:
        """Remove waiting jobs from the queue."""

    def kill(self, job: str) -> None:
        """End a job at once."""


class SlurmQueue:
    """Slurm's queue, queried with `squeue`, which unlike `sacct` needs no accounting database.

    Errors of `scancel` are ignored, since the job may have ended meanwhile.

    Raises:
        ConfigError: If this machine has no Slurm commands.
    """

    # Frequent queries put load on a site. A job itself records its end, so the delay only affects
    # jobs that were killed.
    patience = 30.0

    def __init__(self) -> None:
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        if missing:
            raise ConfigError(
                f"engine submitit needs {missing[0]} on the PATH; run the command on a machine "
                f"from which jobs are submitted, or try it here with engine.executor=local."
            )
        self._answers = True

    def hosts(self, partition: str | None) -> set[str]:
        """Return the names of the machines that jobs may run on, and of this one.

        Args:
            partition: Partition of the jobs; any if None.

        Raises:
            StoreError: If Slurm does not answer.
        """
        among = [] if partition is None else [f"--partition={partition}"]
        printed, problem = _answer("sinfo", "--noheader", "--Node", "--format=%n", *among)
        if printed is None:
            raise StoreError(f"Slurm does not answer: {problem}")
        # The domain is cut off, since only some of the names may have it.
        return {name.split(".")[0] for name in [*printed.split(), platform.node()]}

    def states(self, jobs: Collection[str]) -> dict[str, bool] | None:
        """See `Queue`."""
        printed, problem = _answer("squeue", "--me", "--noheader", "--array", "--format=%i %T")
        answers = printed is not None
        if answers != self._answers:
            _notices.warning("Slurm answers again" if answers else f"squeue: {problem}")
        self._answers = answers
        if printed is None:
            return None
        found = dict(line.split() for line in printed.splitlines())
        return {job: found[job] != "PENDING" for job in jobs if job in found}

    def end(self, jobs: Collection[str]) -> None:
        """See `Queue`."""
        if jobs:
            _answer("scancel", f"--signal={END.name.removeprefix('SIG')}", *jobs)

    def drop(self, jobs: Collection[str]) -> None:
        """See `Queue`."""
        if jobs:
            _answer("scancel", "--state=PENDING", *jobs)

    def kill(self, job: str) -> None:
        """See `Queue`."""
        _answer("scancel", "--signal=KILL", job)


def _answer(*command: str) -> tuple[str | None, str]:
    """Return the output of a Slurm command and "", or None and the problem."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None, "no answer"
    return (done.stdout, "") if done.returncode == 0 else (None, " ".join(done.stderr.split()))


class LocalQueue:
    """Processes of this machine that submitit started. They outlive the command.

    Args:
        folder: Submitit's folder, which is in their command lines.
    """

    patience = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def states(self, jobs: Collection[str]) -> dict[str, bool] | None:
        """See `Queue`."""
        return {job: True for job in jobs if self._process(job) is not None}

    def end(self, jobs: Collection[str]) -> None:
        """See `Queue`."""
        for job in jobs:
            for task in self._tasks(job):
                task.send_signal(END)

    def drop(self, jobs: Collection[str]) -> None:
        """See `Queue`. No job waits here."""

    def kill(self, job: str) -> None:
        """See `Queue`."""
        for task in self._tasks(job):
            for process in [*task.children(recursive=True), task]:
                process.send_signal(signal.SIGKILL)

    def _process(self, job: str) -> psutil.Process | None:
        try:
            process = psutil.Process(int(job))
            return process if self._folder in " ".join(process.cmdline()) else None
        except psutil.Error:
            return None

    def _tasks(self, job: str) -> Iterator[psutil.Process]:
        process = self._process(job)
        for child in [] if process is None else process.children(recursive=True):
            try:
                if "submitit.core._submit" in child.cmdline():
                    yield child
            except psutil.Error:
                continue
