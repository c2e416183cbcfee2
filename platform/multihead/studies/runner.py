"""Run a study on this machine: start its workers, watch over them, end with its record."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from multihead import settings
from multihead.errors import StoreError
from multihead.studies.devices import Places, threads, visible_gpus
from multihead.studies.heart import EXIT_LOST
from multihead.studies.lease import LEASE_SECONDS, rows_of
from multihead.studies.opening import OpenStudy, url_of
from multihead.studies.progress import Progress, Snapshot
from multihead.studies.recover import Agreement, check_agreement, workers_of
from multihead.studies.registry import ask_to_stop, bury, known, place_of, present
from multihead.studies.storage import patiently
from multihead.studies.worker import EXIT_MEMORY

_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 60
# Workers that may end in a row without any trial ending in between: by an error, by being killed.
_EARLY_DEATHS, _EARLY_KILLS = 5, 100


@dataclass(frozen=True)
class Ended:
    """How a run of a study ended.

    Attributes:
        reason: Why no further trial started, or None if all were done.
        signum: The signal that ended it, or None.
    """

    reason: str | None
    signum: int | None


class Runner:
    """The workers of one command.

    Args:
        opened: The study.
        recorded: Called now and then, to keep the study's record up to date.
    """

    def __init__(self, opened: OpenStudy, recorded: Callable[[], None]) -> None:
        self.opened, self.recorded = opened, recorded
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.signum: int | None = None
        self._deaths = 0
        self._ended = 0
        devices = opened.definition.devices_per_worker
        self._gpus = Places(workers_of(opened.store), devices, visible_gpus())
        self._log = opened.store.home / "workers" / f"{opened.name}.log"

    def run(self, progress: Progress) -> Ended:
        """Work until nothing is left, a limit is reached, or a signal comes.

        Raises:
            StoreError: If workers die again and again without ending a trial.
        """
        minutes = self.opened.definition.minutes
        deadline = None if minutes is None else time.monotonic() + 60 * minutes
        bury(self.opened.storage, self.opened.name, workers_of(self.opened.store))
        with self._signals():
            try:
                for place in range(self.opened.definition.workers if self.left else 0):
                    self._start(place)
                while self.processes:
                    time.sleep(_LOOK_SECONDS)
                    patiently(lambda: self._look(progress))
                    if deadline is not None and time.monotonic() > deadline:
                        self._stop(f"{minutes:g} minutes are over")
                        deadline = None
            finally:
                self._end_processes()
        patiently(lambda: self._look(progress))
        return Ended(self._reason(), self.signum)

    @property
    def left(self) -> int:
        """The number of trials that have not ended."""
        rows = rows_of(self.opened.storage, self.opened.name)
        return self.opened.definition.n_trials - sum(row.outcome is not None for row in rows)

    def _reason(self) -> str | None:
        stop = known(self.opened.storage, self.opened.name).stop
        return stop or self.opened.budget.exhausted(rows_of(self.opened.storage, self.opened.name))

    def _stop(self, reason: str) -> None:
        patiently(
            lambda: ask_to_stop(self.opened.storage, self.opened.name, reason, interrupt=False)
        )

    def _look(self, progress: Progress) -> None:
        """Show where things are, replace workers that died, kill those that fell silent."""
        if self.opened.presence is not None:
            self.opened.presence.beat(None, "watches")
        snapshot = self.snapshot()
        if snapshot.ended > self._ended:
            self._ended, self._deaths = snapshot.ended, 0
            self.recorded()
        progress.show(snapshot)
        silent = {worker.place for worker in snapshot.workers if worker.age > LEASE_SECONDS}
        for process in self.processes.values():
            if place_of(process.pid) in silent:
                process.kill()
        for place, process in list(self.processes.items()):
            code = process.poll()
            if code is not None:
                del self.processes[place]
                bury(self.opened.storage, self.opened.name, workers_of(self.opened.store))
                self._replace(place, code)

    def _replace(self, place: int, code: int) -> None:
        if code == 0 or self.signum is not None or code in (128 + signal.SIGTERM,):
            return
        self._deaths += 1
        own_fault = code > 0 and code not in (EXIT_LOST, EXIT_MEMORY)
        if self._deaths >= (_EARLY_DEATHS if own_fault else _EARLY_KILLS):
            raise StoreError(
                f"{self._deaths} workers in a row ended with code {code} without ending a trial; "
                f"{self._log} says why."
            )
        self._start(place)

    def snapshot(self) -> Snapshot:
        """Return where the study is."""
        opened = self.opened
        workers = [w for w in present(opened.storage, opened.name) if w.kind == "worker"]
        return Snapshot(opened.definition, opened.trials(), workers)

    def _start(self, place: int) -> None:
        definition = self.opened.definition
        environment = os.environ | {settings.STUDIES_VARIABLE: url_of(definition)}
        environment |= threads(definition.workers) | self._gpus.of(place)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "multihead.studies.worker", "--attached"]
            self.processes[place] = subprocess.Popen(
                [*command, "--study", self.opened.name],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us alone; we tell them
            )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Pass SIGTERM and Ctrl-C on to the workers, which then end with a checkpoint."""

        def handle(signum: int, frame: FrameType | None) -> None:
            self.signum = signum
            for process in self.processes.values():
                process.terminate()

        before = {s: signal.signal(s, handle) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _end_processes(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        self._gpus.release()
        if self.opened.presence is not None:
            patiently(self.opened.presence.end)
        name, store = self.opened.name, self.opened.store
        patiently(lambda: bury(self.opened.storage, name, workers_of(store)))


def agree(opened: OpenStudy) -> Agreement:
    """Compare and repair the two stores."""
    return check_agreement(
        opened.store, opened.storage, opened.study, opened.plan.configs, opened.parent
    )
