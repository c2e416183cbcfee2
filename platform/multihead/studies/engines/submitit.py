"""The engine for arrays of Slurm jobs, with submitit."""

import logging
import time
from collections.abc import Collection
from math import inf
from typing import Any

from multihead.errors import ConfigError
from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.engines.choice import SubmititChoice
from multihead.studies.engines.queues import LocalQueue, Queue, SlurmQueue
from multihead.studies.engines.submission import make_executor, submit, worker_job
from multihead.studies.engines.submitit_job import ended_file, place_file
from multihead.studies.recover import workers_of
from multihead.studies.registry import bury, known
from multihead.workers import GRACE_SECONDS, Deaths

_ENDING_SECONDS = 2.0  # between two queries of the queue while jobs are being ended
_KILLED = -9
_notices = logging.getLogger("multihead.studies")


class SubmititEngine:
    """Submits jobs, which outlive the command. A later command of the same study watches them.

    Each job has submitit's file `JOB_submitted.pkl`, which is removed when the job has ended.

    Args:
        opened: The study.

    Raises:
        ConfigError: If this machine has no Slurm commands, or submitit is not installed.
    """

    def __init__(self, opened: OpenStudy) -> None:
        assert isinstance(opened.definition.engine, SubmititChoice)
        self.opened, self._choice = opened, opened.definition.engine
        self._locks = workers_of(opened.store)
        self._folder = self._locks / f"{opened.name}-jobs"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        local = self._choice.executor == "local"
        self._queue: Queue = LocalQueue(self._folder) if local else SlurmQueue()
        self._executor = make_executor(opened.definition, self._folder)
        self._deaths = Deaths(f"the newest .log or .err in {self._folder}", "trial")
        self.note = ""
        self._interrupted = self._over = False
        self._asked = -inf
        self._started: list[Any] = []  # submitit's jobs; local ones are child processes

    @property
    def _jobs(self) -> list[str]:
        """Ids of the jobs that are not known to have ended."""
        found = self._folder.glob("*_submitted.pkl")
        return sorted(path.name.removesuffix("_submitted.pkl") for path in found)

    def start(self) -> None:
        """See `Engine`."""
        there = self._queue.states(self._jobs)
        for job in [] if there is None else set(self._jobs) - set(there):
            self._forget(job)
        self._fill()

    def _fill(self) -> None:
        missing = self.opened.definition.workers - len(self._jobs)
        if missing > 0:
            definition = self.opened.definition
            job = worker_job(definition, self._folder, self.opened.told_to_workers)
            self._started += submit(self._executor, job, missing, definition.storage_url)

    def look(self, silent: Collection[str], ended: int) -> bool:
        """See `Engine`."""
        self._deaths.ended(ended)
        self._kill(silent)
        ending = self._interrupted or self._over
        patience = min(_ENDING_SECONDS, self._queue.patience) if ending else self._queue.patience
        if time.monotonic() - self._asked > patience:
            self._ask(ended)
        for job in self._jobs:
            if ended_file(self._folder, job).exists():
                self._hear_of(job, int(ended_file(self._folder, job).read_text() or _KILLED))
        # The next call replaces jobs that have ended.
        replaced = self._asked == -inf and not (self._interrupted or self._over)
        return replaced or bool(self._jobs)

    def _ask(self, ended: int) -> None:
        """Find jobs that were killed, and submit new ones up to the number of workers."""
        self._asked = time.monotonic()
        jobs = self._jobs
        there = self._queue.states(jobs)
        if there is None:
            return
        waiting = sum(not begun for begun in there.values())
        self.note = f"{waiting} of {len(there)} jobs wait in the queue" if waiting else ""
        for job in jobs:
            if job not in there and not ended_file(self._folder, job).exists():
                self._hear_of(job, _KILLED)
        if self._interrupted:
            self._queue.end([job for job, begun in there.items() if begun])
        else:
            self._over |= ended >= self.opened.definition.n_trials
            self._over |= known(self.opened.storage, self.opened.name).stop is not None
        if self._interrupted or self._over:
            self._queue.drop(list(there))
            return
        try:
            self._fill()
        except ConfigError as error:  # Slurm accepted such jobs before, so try again later
            _notices.warning("%s", error)

    def _hear_of(self, job: str, code: int) -> None:
        """Process the end of a job."""
        if not self._forget(job) or self._interrupted:
            return
        bury(self.opened.storage, self.opened.name, self._locks)
        if code == 0:
            self._over = True  # the worker found no trial left
        else:
            self._deaths.add(code)
        self._asked = -inf

    def _forget(self, job: str) -> bool:
        """Remove a job's files, except for its logs; return whether this call removed them."""
        try:
            (self._folder / f"{job}_submitted.pkl").unlink()
        except FileNotFoundError:
            return False
        rest = [*self._folder.glob(f"{job}_*_result.pkl"), place_file(self._folder, job)]
        for path in [*rest, ended_file(self._folder, job)]:
            path.unlink(missing_ok=True)
        return True

    def _kill(self, silent: Collection[str]) -> None:
        for job in self._jobs if silent else []:
            path = place_file(self._folder, job)
            if path.exists() and path.read_text(encoding="utf-8") in silent:
                self._queue.kill(job)
                path.unlink(missing_ok=True)

    def interrupt(self) -> None:
        """See `Engine`. `look` does the work: a signal handler must not wait for a command."""
        self._interrupted = True
        self._asked = -inf

    def end(self) -> None:
        """See `Engine`."""
        self.interrupt()
        until = time.monotonic() + GRACE_SECONDS
        while self._jobs and self.look((), 0) and time.monotonic() < until:
            time.sleep(_ENDING_SECONDS)
        for job in self._jobs:
            self._queue.kill(job)
            self._forget(job)
        self._started.clear()  # before the interpreter shuts down, since jobs have finalizers
