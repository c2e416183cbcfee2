"""Choose the next trial of a worker, so that exactly `n_trials` trials end even if workers die.

A trial counts towards `n_trials` from the moment it has a lease. Trials and leases are made under
the study's lock. If a trial has no lease, its maker died between the two steps; the next worker
takes that trial.

A claim reads only the trials that have not ended. Its cost does not grow with the number of ended
trials, of which there may be many thousands.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb.models import TrialModel
from optuna.trial import FrozenTrial, TrialState

from multihead.studies.best_after import GOES_ON, BestAfter, make_best_after
from multihead.studies.definition import Definition
from multihead.studies.lease import (
    LEASE_SECONDS,
    PAUSED,
    Lease,
    Outcome,
    count_of,
    leases,
    newest_of,
    open_of,
    release_paused,
)
from multihead.studies.storage import StudyStorage

SAME_FAILURES = 10
_CERTAIN_SECONDS = 10.0  # five times the interval of a worker's heartbeat
LOST = "lost"  # user attribute of a trial: the reason why its last attempt ended without a result


@dataclass(frozen=True)
class Limits:
    """When a study ends.

    Attributes:
        n_trials: Number of trials that must end.
        retries: How often a trial is retried after its worker died.
        patience: The study ends after this many trials without improvement; never if None.
        best_after: The rule that selects trials after their first epochs. If None, all go on.
    """

    n_trials: int
    retries: int
    patience: int | None
    best_after: BestAfter | None = None


def limits_of(definition: Definition) -> Limits:
    """Return when a study ends."""
    d = definition
    return Limits(d.n_trials, d.retries, d.patience, make_best_after(d))


Nothing = Literal["wait", "done"]


class Budget:
    """The trials of one study.

    Args:
        storage: The database.
        study: Optuna's view of the study.
        limits: When it ends.
        certain_after: Seconds to wait before an expired lease is taken over. A lease also expires
            if the database's clock is set forward; its worker then renews it within this time.
    """

    def __init__(
        self,
        storage: StudyStorage,
        study: optuna.Study,
        limits: Limits,
        certain_after: float = _CERTAIN_SECONDS,
    ) -> None:
        self.storage, self.study, self.limits = storage, study, limits
        self.name = study.study_name
        self._certain_after = certain_after
        self.stopped: list[int] = []  # trials that this process ended by the `best_after` rule
        self._ran_out: dict[int, tuple[object, float]] = {}  # trial: expired lease, time first seen

    def claim(self, owner: str) -> Lease | Nothing:
        """Return the next trial to work on. Interrupted trials come before new ones.

        Returns:
            A lease; "wait" while others still work on the last trials; "done" if all have ended.
        """
        with self.storage.lock(self.name):
            found, is_new = self._claim(owner)
        if not is_new:
            self.trials()  # Optuna accepts parameters only for trials that it has made or read
        return found

    def _claim(self, owner: str) -> tuple[Lease | Nothing, bool]:
        """Return the result of `claim`, and whether the trial was made just now."""
        trials = self._not_ended()
        for trial in trials:
            if trial.outcome is not None:
                tell(self.study, trial.number, Outcome.from_json(trial.outcome))
        for row in open_of(self.storage, self.name):
            if self._is_abandoned(row):
                lease = self._take_over(row, owner)
                if lease is not None:
                    return lease, False
        if count_of(self.storage, self.name) < self.limits.n_trials and not self._over():
            unleased = [trial for trial in trials if trial.attempt is None]
            return self._new(owner, unleased), not unleased
        left = open_of(self.storage, self.name)
        if left and all(row.owner == PAUSED for row in left):
            self._decide_paused(left)
            return self._claim(owner)
        return ("wait" if left else "done"), True

    def _decide_paused(self, rows: Sequence[sa.Row[Any]]) -> None:
        """Let the best of the paused trials go on, and end the others.

        A worker may have died halfway through this method, so each step may be repeated. Ending a
        trial does not change which trials are best, and no trial goes on before all others ended.
        """
        rule = self.limits.best_after
        trials = self.study.get_trials(deepcopy=False)
        best = {t.number for t in trials} if rule is None else rule.best(trials)
        for row in rows:
            if row.number in best:
                self.study._storage.set_trial_user_attr(row.trial_id, GOES_ON, True)
                continue
            assert rule is not None
            cause = f"not among the best {rule.trials} after {rule.epochs} epochs"
            outcome = Outcome("PRUNED", cause=cause)
            lease = Lease(self.name, row.number, row.trial_id, row.owner, row.attempt)
            lease.decide(self.storage, outcome)
            tell(self.study, row.number, outcome)
            self.stopped.append(row.number)
        release_paused(self.storage, self.name)

    def _is_abandoned(self, row: sa.Row[Any]) -> bool:
        """Return whether nobody works on a trial."""
        if row.alive or row.owner is None:
            self._ran_out.pop(row.number, None)
            return not row.alive
        lease, now = (row.owner, row.attempt, row.expires), time.monotonic()
        known, since = self._ran_out.get(row.number, (None, now))
        if known != lease:
            since = now
        self._ran_out[row.number] = (lease, since)
        return now - since >= self._certain_after

    def _not_ended(self) -> Sequence[Any]:
        """Return Optuna's running and waiting trials with the attempt and outcome of each lease."""
        trial: Any = TrialModel
        own = sa.and_(leases.c.study == self.name, leases.c.number == trial.number)
        query = (
            sa.select(
                *(trial.trial_id, trial.number, trial.state),
                *(leases.c.attempt, leases.c.outcome),
            )
            .outerjoin_from(trial, leases, own)
            .where(
                trial.study_id == self.study._study_id,
                trial.state.in_((TrialState.RUNNING, TrialState.WAITING)),
            )
            .order_by(trial.number)
        )
        with self.storage.engine.connect() as connection:
            return connection.execute(query).all()

    def _over(self) -> bool:
        last = SAME_FAILURES if self.limits.patience is None else None
        return self.exhausted(newest_of(self.storage, self.name, last)) is not None

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in their present state, ordered by number."""
        study_id = self.storage.optuna.get_study_id_from_name(self.name)
        return self.study._storage.get_all_trials(study_id, deepcopy=False)

    def exhausted(self, rows: Sequence[sa.Row[Any]]) -> str | None:
        """Return why no new trial may start before `n_trials` is reached, or None.

        Args:
            rows: Leases. Without `patience`, the newest `SAME_FAILURES` decided ones are enough.
        """
        decided = sorted((r for r in rows if r.decided is not None), key=lambda r: r.decided)
        last = [Outcome.from_json(row.outcome) for row in decided[-SAME_FAILURES:]]
        causes = {kind_of(o.cause) for o in last if o.state == "FAIL"}
        if len(last) == SAME_FAILURES == sum(o.state == "FAIL" for o in last) and len(causes) == 1:
            return f"{SAME_FAILURES} trials in a row failed with the same cause: {last[-1].cause}"
        if self.limits.patience is not None and decided:
            return self._stale([row.number for row in decided])
        return None

    def _stale(self, numbers: list[int]) -> str | None:
        first: dict[tuple[float, ...], int] = {}  # an equal result later is no improvement
        place = {number: index for index, number in enumerate(numbers)}
        for trial in sorted(self.study.best_trials, key=lambda t: place.get(t.number, len(place))):
            first.setdefault(tuple(trial.values), trial.number)
        best = set(first.values())
        since = next((i for i, n in enumerate(reversed(numbers)) if n in best), 0)
        if since < (self.limits.patience or 0):
            return None
        return f"no improvement in the last {since} trials"

    def _take_over(self, row: sa.Row[Any], owner: str) -> Lease | None:
        """Give an abandoned trial to a worker; fail it if it lost more workers than `retries`."""
        trial = self.study._storage.get_trial(row.trial_id)
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

    def _new(self, owner: str, unleased: Sequence[Any]) -> Lease:
        optunas = self.study._storage
        if unleased:
            trial_id, number = unleased[0].trial_id, unleased[0].number
            if unleased[0].state == TrialState.WAITING:
                optunas.set_trial_state_values(trial_id, TrialState.RUNNING)
        else:
            trial_id = optunas.create_new_trial(self.study._study_id)
            number = self._number_of(trial_id)
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

    def _number_of(self, trial_id: int) -> int:
        """Return a trial's number. Optuna would read the whole trial to find it."""
        trial: Any = TrialModel
        query = sa.select(trial.number).where(trial.trial_id == trial_id)
        with self.storage.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())


def tell(study: optuna.Study, number: int, outcome: Outcome) -> None:
    """Record in Optuna how a trial ended. It is no error if the trial has already been recorded."""
    optunas = study._storage
    trial_id = optunas.get_trial_id_from_study_id_trial_number(study._study_id, number)
    if optunas.get_trial(trial_id).state.is_finished():
        return
    try:
        for key, value in (outcome.attrs or {}).items():
            optunas.set_trial_user_attr(trial_id, key, value)
        if outcome.cause:
            optunas.set_trial_user_attr(trial_id, "cause", outcome.cause)
        values = list(outcome.values) if outcome.state == "COMPLETE" else None
        study.tell(number, values, state=TrialState[outcome.state], skip_if_finished=True)
    except UpdateFinishedTrialError:
        return


def kind_of(cause: str) -> str:
    """Return a cause with its numbers masked, so that one failure at two steps compares equal."""
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", cause)
