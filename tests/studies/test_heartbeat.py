"""The heart of a worker: what it says while the work moves, and when it falls silent."""

import time
from collections.abc import Callable

import optuna
import pytest
import sqlalchemy as sa
from tests.studies.conftest import Define

from multihead.studies import heartbeat
from multihead.studies.budget import Budget, Limits
from multihead.studies.lease import Lease, leases
from multihead.studies.recover import workers_of
from multihead.studies.registry import Presence, register, update
from multihead.studies.storage import StudyStorage
from multihead.tracking.store import Store


def expiry(storage: StudyStorage) -> float:
    with storage.engine.connect() as connection:
        return float(connection.execute(sa.select(leases.c.expires)).scalar_one())


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_lease_is_kept_while_the_work_moves_and_runs_out_when_it_hangs(
    storage: StudyStorage, define: Define, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that beats whatever happens would keep a hung trial for ever."""
    monkeypatch.setattr(heartbeat, "_BEAT_SECONDS", 0.01)
    definition = define()
    register(storage, definition)
    update(storage, definition, parent=None, stop=None, interrupt=False)
    presence = Presence(storage, "search", workers_of(store), "worker")
    study = optuna.load_study(study_name="search", storage=storage.optuna)
    lease = Budget(storage, study, Limits(1, 0, None)).claim(presence.owner)
    assert isinstance(lease, Lease)
    beating = heartbeat.Heart(presence, storage, hung_after=0.5, attached=False)
    beating.lease = lease
    first = expiry(storage)
    beating.tick("moves")
    beating.start()
    assert wait_for(lambda: expiry(storage) > first)
    assert wait_for(lambda: time.monotonic() - beating._moved > 1.5)
    silent = expiry(storage)
    time.sleep(0.3)
    assert expiry(storage) == silent
    beating.stop()
    presence.end()
