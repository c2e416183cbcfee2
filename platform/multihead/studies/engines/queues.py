"""The jobs of a study as Slurm, or this machine, knows them."""

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
    """Where jobs wait for a place, and run.

    Attributes:
        patience: Seconds between two questions.
    """

    patience: float

    def states(self, jobs: Collection[str]) -> dict[str, bool] | None:
        """Return those of the jobs that are there, and whether each has begun; None if unknown."""

    def end(self, jobs: Collection[str]) -> None:
        """Have jobs that run end with a checkpoint."""

    def drop(self, jobs: Collection[str]) -> None:
        """Take jobs that wait for a place out of the queue."""

    def kill(self, job: str) -> None:
        """End a job at once."""


class SlurmQueue:
    """Slurm's queue, asked with `squeue`: unlike `sacct` it needs no accounting database.

    What `scancel` answers is no matter: a job may have ended meanwhile.

    Raises:
        ConfigError: If there is no Slurm here.
    """

    # Sites do not like to be asked all the time. A job says itself that it ends, so only those that
    # were killed are noticed late.
    patience = 30.0

    def __init__(self) -> None:
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        if missing:
            raise ConfigError(
                f"engine submitit needs {missing[0]} on the PATH: run the command where jobs are "
                f"submitted, or try it on this machine with engine.executor=local."
            )
        self._answers = True

    def hosts(self, partition: str | None) -> set[str]:
        """Return the names of the machines that jobs may run on, and of this one.

        Args:
            partition: Of the jobs; none for any.

        Raises:
            StoreError: If Slurm does not answer.
        """
        among = [] if partition is None else [f"--partition={partition}"]
        printed, problem = _answer("sinfo", "--noheader", "--Node", "--format=%n", *among)
        if printed is None:
            raise StoreError(f"Slurm does not answer: {problem}")
        # One name may have the domain where the other has not.
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
    """Return what a command of Slurm prints, or None with the problem."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None, "no answer"
    return (done.stdout, "") if done.returncode == 0 else (None, " ".join(done.stderr.split()))


class LocalQueue:
    """Processes of this machine that submitit started; they survive the command.

    Args:
        folder: Of submitit, which their command lines name.
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
        """See `Queue`; nothing waits here."""

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
