"""Show a running study: counts of trials, the best one, the time left and a line per worker."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from multihead.studies.best_after import BEST_AFTER
from multihead.studies.definition import Definition
from multihead.studies.table import best_of
from multihead.terminal.drawn import Screen, grid, live, stacked, styled


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment.

    Attributes:
        definition: The study.
        trials: All its trials.
        workers: The workers that have not ended.
        note: A message of the engine, or an empty text.
    """

    definition: Definition
    trials: Sequence[FrozenTrial]
    workers: Sequence[Any]
    note: str = ""

    @property
    def ended(self) -> int:
        """Number of trials in a terminal state."""
        return sum(t.state.is_finished() for t in self.trials)

    def counts(self) -> str:
        """Return the trials by state, and the time left."""
        by_state = Counter(t.state for t in self.trials)
        parts = [f"{self.ended}/{self.definition.n_trials} trials"]
        busy = sum(worker.number is not None for worker in self.workers)
        parts += [f"{busy} running"] if busy else []
        for state, word in ((TrialState.PRUNED, "pruned"), (TrialState.FAIL, "failed")):
            parts += [f"{by_state[state]} {word}"] if by_state[state] else []
        if self.definition.pruner["name"] == BEST_AFTER and by_state[TrialState.RUNNING] > busy:
            parts += [f"{by_state[TrialState.RUNNING] - busy} paused"]
        left = self.seconds_left()
        return ", ".join(parts) + (f", about {span(left)} left" if left else "")

    @property
    def several_hosts(self) -> bool:
        """Whether workers are on more than one machine."""
        return len({host_of(worker) for worker in self.workers}) > 1

    def seconds_left(self) -> float | None:
        """Estimate the seconds left from the mean duration of the trials so far."""
        spans = [t.duration.total_seconds() for t in self.trials if t.duration is not None]
        left = self.definition.n_trials - self.ended
        if not spans or left <= 0:
            return None
        return left * sum(spans) / len(spans) / max(1, len(self.workers))


class Progress:
    """Draws snapshots in a terminal. Elsewhere, it prints a line per ended trial.

    Args:
        screen: Where to draw.
    """

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._live = live(screen)
        self._printed: set[int] = set()
        self._note = ""

    def __enter__(self) -> "Progress":
        if self.screen.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        if not self.screen.is_terminal:
            self._print(snapshot)
            return
        table = grid()
        for worker in snapshot.workers:
            trial = "" if worker.number is None else f"trial {worker.number}"
            host = host_of(worker) if snapshot.several_hosts else ""
            table.add_row(f"worker {worker.position}", trial, worker.note, host)
        if not snapshot.workers and snapshot.ended < snapshot.definition.n_trials:
            table.add_row(snapshot.note or "the workers are starting")
        elif snapshot.note:
            table.add_row(snapshot.note)
        body = stacked(
            styled(snapshot.counts(), style="bold"),
            best_of(snapshot.definition, snapshot.trials),
            table,
        )
        self._live.update(body, refresh=True)

    def _print(self, snapshot: Snapshot) -> None:
        if snapshot.note != self._note:
            self._note = snapshot.note
            if snapshot.note:
                self.screen.print(snapshot.note)
        for trial in snapshot.trials:
            if trial.state.is_finished() and trial.number not in self._printed:
                self._printed.add(trial.number)
                self.screen.print(_line(snapshot.definition, trial))


def _line(definition: Definition, trial: FrozenTrial) -> str:
    head = f"trial {trial.number:3d}  {trial.state.name:8s}"
    if trial.state == TrialState.COMPLETE:
        values = zip(definition.objectives, trial.values, strict=True)
        return head + "  " + "  ".join(f"{name} {value:.4f}" for name, value in values)
    return f"{head}  {trial.user_attrs.get('cause', '')}"


def host_of(worker: Any) -> str:
    """Return the machine that a worker is on."""
    return str(worker.place).rpartition(" ")[0]


def span(seconds: float) -> str:
    """Return a duration for display: 5s, 1m05 or 2h30."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}" if hours else f"{minutes}m{rest:02d}" if minutes else f"{rest}s"
