"""Leases record which worker works on which trial.

A lease has an owner, an attempt and an expiry time by the database's clock.

Optuna alone would accept the late result of a worker that had lost its trial, and then fail the
worker that took the trial over. With leases, only the present owner can decide how a trial ended,
and the first decision is final.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from multihead.errors import MultiheadError
from multihead.studies.storage import StudyStorage, metadata

LEASE_SECONDS = 120.0
# Owner of a paused trial. No worker takes it over until the `best_after` rule decides on it.
PAUSED = "paused"
_NEVER = 1.0e18
State = Literal["COMPLETE", "PRUNED", "FAIL"]

leases = sa.Table(
    "multihead_leases",
    metadata,
    sa.Column("study", sa.String(80), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(80)),  # null: nobody works on it now
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("lost", sa.Integer, nullable=False),  # attempts whose worker died
    sa.Column("expires", sa.Float, nullable=False),
    sa.Column("outcome", sa.Text),  # JSON; once set, it stays
    sa.Column("decided", sa.Float),
    # Finds open leases, and those decided last, quickly in a table of any size.
    sa.Index("ix_multihead_leases_decided", "study", "decided"),
)


class LeaseLost(MultiheadError):
    """The trial was given to another worker; the results of this one are ignored."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        state: Optuna's state.
        values: One value per objective, if COMPLETE.
        cause: The reason in one line, if PRUNED or FAIL.
        attrs: User attributes to set on the trial when it ends.
    """

    state: State
    values: tuple[float, ...] = ()
    cause: str = ""
    attrs: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """Return the JSON text that the database keeps."""
        record = {"state": self.state, "values": self.values, "cause": self.cause}
        return json.dumps(record | {"attrs": dict(self.attrs or {})}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        """Read what `to_json` wrote."""
        record = json.loads(text)
        return cls(record["state"], tuple(record["values"]), record["cause"], record["attrs"])


@dataclass(frozen=True)
class Lease:
    """The right to work on one trial.

    Attributes:
        study: Name of the study.
        number: Of the trial.
        trial_id: Optuna's id of the trial.
        owner: The worker.
        attempt: Counted from 1. It grows whenever the trial gets another owner.
    """

    study: str
    number: int
    trial_id: int
    owner: str
    attempt: int

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            leases.c.study == self.study,
            leases.c.number == self.number,
            leases.c.owner == self.owner,
            leases.c.attempt == self.attempt,
        )

    def renew(self, storage: StudyStorage) -> None:
        """Check that this worker still owns the trial and extend the lease by `LEASE_SECONDS`.

        An expired lease can be renewed as long as no other worker took the trial.

        Raises:
            LeaseLost: If the trial has another owner, or is decided.
        """
        change = (
            sa.update(leases)
            .where(self._mine, leases.c.outcome.is_(None))
            .values(expires=storage.now + LEASE_SECONDS)
        )
        with storage.engine.begin() as connection:
            if connection.execute(change).rowcount != 1:
                raise LeaseLost(f"trial {self.number} was given to another worker")

    def decide(self, storage: StudyStorage, outcome: Outcome) -> None:
        """Record how the trial ended. Repeating the same decision after a lost reply is no error.

        Raises:
            LeaseLost: If the trial has another owner, or another decision.
        """
        text = outcome.to_json()
        change = (
            sa.update(leases)
            .where(self._mine, sa.or_(leases.c.outcome.is_(None), leases.c.outcome == text))
            .values(outcome=text, decided=storage.now)
        )
        with storage.engine.begin() as connection:
            if connection.execute(change).rowcount != 1:
                raise LeaseLost(f"trial {self.number} was given to another worker")

    def pause(self, storage: StudyStorage) -> None:
        """Pause the trial until it is decided on. Repeating this after a lost reply is no error.

        Raises:
            LeaseLost: If the trial has another owner, or was decided.
        """
        paused = sa.and_(
            *(leases.c.study == self.study, leases.c.number == self.number),
            *(leases.c.owner == PAUSED, leases.c.attempt == self.attempt),
        )
        change = (
            sa.update(leases)
            .where(sa.or_(self._mine, paused), leases.c.outcome.is_(None))
            .values(owner=PAUSED, expires=_NEVER)
        )
        with storage.engine.begin() as connection:
            if connection.execute(change).rowcount != 1:
                raise LeaseLost(f"trial {self.number} was given to another worker")

    def release(self, storage: StudyStorage, *, lost: bool = False) -> None:
        """Let another worker continue the trial now.

        Args:
            storage: The database.
            lost: Whether this attempt counts against the trial's retries.
        """
        with storage.engine.begin() as connection:
            connection.execute(
                sa.update(leases)
                .where(self._mine, leases.c.outcome.is_(None))
                .values(owner=None, expires=0.0, lost=leases.c.lost + int(lost))
            )


def release_paused(storage: StudyStorage, study: str) -> None:
    """Let workers continue every paused trial."""
    with storage.engine.begin() as connection:
        connection.execute(
            sa.update(leases)
            .where(leases.c.study == study, leases.c.owner == PAUSED, leases.c.outcome.is_(None))
            .values(owner=None, expires=0.0)
        )


def release_owner(storage: StudyStorage, owner: str) -> None:
    """Free the trials of a dead worker for others at once. It counts against their retries."""
    with storage.engine.begin() as connection:
        connection.execute(
            sa.update(leases)
            .where(leases.c.owner == owner, leases.c.outcome.is_(None))
            .values(owner=None, expires=0.0, lost=leases.c.lost + 1)
        )


def rows_of(storage: StudyStorage, study: str) -> list[sa.Row[Any]]:
    """Return every lease of a study; `alive` is true if it has an owner and has not expired."""
    return _rows(storage, _leases(storage, study).order_by(leases.c.number))


def open_of(storage: StudyStorage, study: str) -> list[sa.Row[Any]]:
    """Return the leases that are not decided, with `alive`. There are about as many as workers."""
    query = _leases(storage, study).where(leases.c.decided.is_(None))
    return _rows(storage, query.order_by(leases.c.number))


def newest_of(storage: StudyStorage, study: str, count: int | None) -> list[sa.Row[Any]]:
    """Return the `count` leases that were decided last, newest first; all if `count` is None."""
    query = _leases(storage, study).where(leases.c.decided.is_not(None))
    return _rows(storage, query.order_by(leases.c.decided.desc()).limit(count))


def count_of(storage: StudyStorage, study: str) -> int:
    """Return how many leases a study has."""
    return _count(storage, leases.c.study == study)


def ended_of(storage: StudyStorage, study: str) -> int:
    """Return how many trials of a study have ended."""
    return _count(storage, leases.c.study == study, leases.c.outcome.is_not(None))


def _count(storage: StudyStorage, *conditions: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(leases).where(*conditions)
    with storage.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def _leases(storage: StudyStorage, study: str) -> sa.Select[Any]:
    alive = sa.and_(leases.c.owner.is_not(None), leases.c.expires > storage.now).label("alive")
    return sa.select(leases, alive).where(leases.c.study == study)


def _rows(storage: StudyStorage, query: sa.Select[Any]) -> list[sa.Row[Any]]:
    with storage.engine.connect() as connection:
        return list(connection.execute(query))
