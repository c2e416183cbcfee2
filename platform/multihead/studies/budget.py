"""Which trial a worker does next, so that exactly `n_trials` end, whatever dies on the way.

A trial counts from the moment it has a lease. Trials and leases are made under the study's lock,
so a trial without a lease is one whose maker died between the two, and is adopted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from multihead.studies.lease import LEASE_SECONDS, Lease, Outcome, leases, rows_of
from multihead.studies.storage import StudyStorage

SAME_FAILURES = 10
LOST = "lost"  # user attribute of a trial: why its last attempt ended without a result


@dataclass(frozen=True)
class Limits:
    """When a study ends.

    Attributes:
        n_trials: Trials that end.
        retries: How often a trial is tried again after its worker died.
        patience: Trials without improvement, or None.
    """

    n_trials: int
    retries: int
    patience: int | None


Nothing = Literal["wait", "done"]


class Budget:
    """The trials of one study.

    Args:
        storage: The database.
        study: Optuna's view of the study.
        limits: When it ends.
    """

    def __init__(self, storage: StudyStorage, study: optuna.Study, limits: Limits) -> None:
        self.storage, self.study, self.limits = storage, study, limits
        self.name = study.study_name

    def claim(self, owner: str) -> Lease | Nothing:
        """Return the next trial to work on: an interrupted one first, then a new one.

        Returns:
            A lease; "wait" while others still work on the last trials; "done" if all have ended.
        """
        with self.storage.lock(self.name):
            trials = {t.number: t for t in self.trials()}
            rows = rows_of(self.storage, self.name)
            for row in rows:
                if row.outcome is not None and not trials[row.number].state.is_finished():
                    tell(self.study, row.number, Outcome.from_json(row.outcome))
            for row in rows:
                if row.outcome is None and not row.alive:
                    lease = self._take_over(row, trials[row.number], owner)
                    if lease is not None:
                        return lease
            if len(rows) < self.limits.n_trials and self.exhausted(rows) is None:
                return self._new(owner, trials, {row.number for row in rows})
            open_rows = [r for r in rows_of(self.storage, self.name) if r.outcome is None]
            return "wait" if open_rows else "done"

    def trials(self) -> list[FrozenTrial]:
        """Return all trials as they are now, in the order of their numbers."""
        study_id = self.storage.optuna.get_study_id_from_name(self.name)
        return self.study._storage.get_all_trials(study_id, deepcopy=False)

    def exhausted(self, rows: Sequence[sa.Row[Any]]) -> str | None:
        """Return why no new trial may start although the number is not reached, or None."""
        outcomes = [
            (row.number, Outcome.from_json(row.outcome))
            for row in sorted((r for r in rows if r.decided is not None), key=lambda r: r.decided)
        ]
        last = [o for _, o in outcomes[-SAME_FAILURES:]]
        causes = {kind_of(o.cause) for o in last if o.state == "FAIL"}
        if len(last) == SAME_FAILURES == sum(o.state == "FAIL" for o in last) and len(causes) == 1:
            return f"{SAME_FAILURES} trials in a row failed with the same cause: {last[-1].cause}"
        if self.limits.patience is not None and outcomes:
            return self._stale([number for number, _ in outcomes])
        return None

    def _stale(self, numbers: list[int]) -> str | None:
        best = {t.number for t in self.study.best_trials}
        since = next((i for i, n in enumerate(reversed(numbers)) if n in best), 0)
        if since < (self.limits.patience or 0):
            return None
        return f"no improvement in the last {since} trials"

    def _take_over(self, row: sa.Row[Any], trial: FrozenTrial, owner: str) -> Lease | None:
        """Give a trial that nobody works on to a worker, unless it killed too many of them."""
        if trial.state == TrialState.WAITING:
            self.study._storage.set_trial_state_values(row.trial_id, TrialState.RUNNING)
        lost = row.lost + (row.owner is not None)
        lease = Lease(self.name, row.number, row.trial_id, owner, row.attempt + 1)
        with self.storage.engine.begin() as connection:
            connection.execute(
                sa.update(leases)
                .where(leases.c.study == self.name, leases.c.number == row.number)
                .values(
                    owner=owner,
                    attempt=lease.attempt,
                    lost=lost,
                    expires=self.storage.now + LEASE_SECONDS,
                )
            )
        if lost > self.limits.retries:
            why = trial.user_attrs.get(LOST, "its worker died")
            outcome = Outcome("FAIL", cause=f"{why} {lost} times")
            lease.decide(self.storage, outcome)
            tell(self.study, row.number, outcome)
            return None
        return lease

    def _new(self, owner: str, trials: dict[int, FrozenTrial], leased: set[int]) -> Lease:
        waiting = [t for n, t in sorted(trials.items()) if n not in leased]
        waiting = [t for t in waiting if not t.state.is_finished()]
        optunas = self.study._storage
        if waiting:
            trial_id, number = waiting[0]._trial_id, waiting[0].number
        else:
            study_id = self.storage.optuna.get_study_id_from_name(self.name)
            trial_id = optunas.create_new_trial(study_id)
            number = optunas.get_trial_number_from_id(trial_id)
        if waiting and waiting[0].state == TrialState.WAITING:
            optunas.set_trial_state_values(trial_id, TrialState.RUNNING)
        with self.storage.engine.begin() as connection:
            connection.execute(
                sa.insert(leases).values(
                    study=self.name,
                    number=number,
                    trial_id=trial_id,
                    owner=owner,
                    attempt=1,
                    lost=0,
                    expires=self.storage.now + LEASE_SECONDS,
                )
            )
        return Lease(self.name, number, trial_id, owner, 1)


def tell(study: optuna.Study, number: int, outcome: Outcome) -> None:
    """Tell Optuna how a trial ended; telling it again, or someone else doing so, is no error."""
    trial = next(t for t in study.get_trials(deepcopy=False) if t.number == number)
    if trial.state.is_finished():
        return
    optunas = study._storage
    try:
        for key, value in (outcome.attrs or {}).items():
            optunas.set_trial_user_attr(trial._trial_id, key, value)
        if outcome.cause:
            optunas.set_trial_user_attr(trial._trial_id, "cause", outcome.cause)
        values = list(outcome.values) if outcome.state == "COMPLETE" else None
        study.tell(number, values, state=TrialState[outcome.state], skip_if_finished=True)
    except UpdateFinishedTrialError:
        return


def kind_of(cause: str) -> str:
    """Return a cause without its numbers: the same failure at another step is the same."""
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", cause)
