"""Run a study: start its workers with an engine, watch them, and update the study's record."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from multihead.signals import handled_by
from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.engines.make import make_engine
from multihead.studies.lease import LEASE_SECONDS, ended_of, rows_of
from multihead.studies.progress import Progress, Snapshot
from multihead.studies.recover import Agreement, check_agreement, workers_of
from multihead.studies.registry import ask_to_stop, bury, known, present
from multihead.studies.storage import patiently
from multihead.training.interrupts import RunInterrupted

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Ended:
    """How a run of a study ended.

    Attributes:
        reason: Why no further trial started; None if all trials ended.
        signum: The signal that ended the run, or None.
    """

    reason: str | None
    signum: int | None

    @property
    def recorded_reason(self) -> str:
        """Why the study ended early, as its run records it; empty if all trials ended."""
        if self.signum is not None:
            return str(RunInterrupted(self.signum))
        return self.reason or ""


class Runner:
    """Runs a study in one command, and watches the workers of its engine.

    Args:
        opened: The study.
        recorded: Called whenever trials have ended, to update the study's record.
    """

    def __init__(self, opened: OpenStudy, recorded: Callable[[], None]) -> None:
        self.opened, self.recorded = opened, recorded
        self.engine = make_engine(opened)
        self.signum: int | None = None
        self._ended = 0
        self._words: dict[str, tuple[float, float]] = {}  # by worker: last beat, when first seen
        self._locks = workers_of(opened.store)

    def run(self, progress: Progress) -> Ended:
        """Run until all trials have ended, a limit is reached or a signal arrives.

        Raises:
            StoreError: If workers die repeatedly without ending a trial.
        """
        minutes = self.opened.definition.minutes
        deadline = None if minutes is None else time.monotonic() + 60 * minutes
        bury(self.opened.storage, self.opened.name, self._locks)
        with handled_by(self._pass_on):
            try:
                working = self.left > 0
                if working:
                    self.engine.start()
                while working:
                    time.sleep(_LOOK_SECONDS)
                    working = patiently(lambda: self._look(progress))
                    if deadline is not None and time.monotonic() > deadline:
                        self._stop(f"{minutes:g} minutes are over")
                        deadline = None
            finally:
                self.engine.end()
                self._leave()
        patiently(lambda: self._look(progress))
        return Ended(self._reason(), self.signum)

    @property
    def left(self) -> int:
        """The number of trials that have not ended."""
        ended = ended_of(self.opened.storage, self.opened.name)
        return self.opened.definition.n_trials - ended

    def _reason(self) -> str | None:
        stop = known(self.opened.storage, self.opened.name).stop
        return stop or self.opened.budget.exhausted(rows_of(self.opened.storage, self.opened.name))

    def _stop(self, reason: str) -> None:
        patiently(
            lambda: ask_to_stop(self.opened.storage, self.opened.name, reason, interrupt=False)
        )

    def _look(self, progress: Progress) -> bool:
        """Show the progress and let the engine check its workers; return whether any is left."""
        if self.opened.presence is not None:
            self.opened.presence.beat(None, "watches")
        snapshot = self.snapshot()
        if snapshot.ended > self._ended:
            self._ended = snapshot.ended
            self.recorded()
        progress.show(snapshot)
        return self.engine.look(self._silent(snapshot), snapshot.ended)

    def _silent(self, snapshot: Snapshot) -> set[str]:
        """Return the places of workers whose last beat is more than `LEASE_SECONDS` ago.

        This process measures the time with its own monotonic clock, since the storage's clock may
        be changed while workers run.
        """
        now = time.monotonic()
        words = {worker.owner: worker.seen for worker in snapshot.workers}
        self._words = {
            owner: before
            if (before := self._words.get(owner)) is not None and before[0] == seen
            else (seen, now)
            for owner, seen in words.items()
        }
        return {
            worker.place
            for worker in snapshot.workers
            if now - self._words[worker.owner][1] > LEASE_SECONDS
        }

    def snapshot(self) -> Snapshot:
        """Return the present state of the study."""
        opened = self.opened
        workers = [w for w in present(opened.storage, opened.name) if w.kind == "worker"]
        return Snapshot(opened.definition, opened.trials(), workers, self.engine.note)

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        """Interrupt the workers; each writes a checkpoint and ends."""
        self.signum = signum
        self.engine.interrupt()

    def _leave(self) -> None:
        if self.opened.presence is not None:
            patiently(self.opened.presence.end)
        patiently(lambda: bury(self.opened.storage, self.opened.name, self._locks))


def agree(opened: OpenStudy) -> Agreement:
    """Compare the study storage with MLflow, and repair differences."""
    return check_agreement(
        opened.store, opened.storage, opened.study, opened.plan.configs, opened.parent
    )
