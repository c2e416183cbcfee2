"""Studies on a real PostgreSQL, restarted while they run."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import optuna
import pytest
from tests.postgres import Postgres, postgres, postgres_programs
from tests.studies.conftest import (
    LONG,
    Define,
    assert_agreement,
    start_study,
    trials_of,
)

from multihead.studies.registry import register
from multihead.studies.storage import StudyStorage, patiently
from multihead.tracking.store import Store

pytestmark = [
    pytest.mark.slow(minutes=1),
    pytest.mark.skipif(postgres_programs() is None, reason="there is no PostgreSQL here"),
]


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


def test_a_server_that_restarts_again_and_again_is_waited_for_at_every_point_of_a_trial(
    home: Path, define: Define, server: Postgres
) -> None:
    storage = StudyStorage(server.url, create=True)
    study = register(storage, define())
    over, ended = Event(), []

    def sample(number: int) -> optuna.Trial:
        trial = optuna.Trial(study, number)
        trial.suggest_float("lr", 0, 1)
        return trial

    def work() -> None:
        while not over.is_set():
            number = patiently(lambda: study._storage.create_new_trial(study._study_id))
            for step in range(10):
                trial = patiently(lambda: sample(number))  # noqa: B023
                patiently(lambda: trial.report(0.5, step))  # noqa: B023
                patiently(lambda: trial.set_user_attr("step", step))  # noqa: B023
                patiently(lambda: study.get_trials(deepcopy=False))
            ended.append(number)

    worker = Thread(target=work)
    worker.start()
    for _ in range(6):
        time.sleep(1)
        server.stop()
        server.start()
    assert worker.is_alive()
    before = len(ended)
    while worker.is_alive() and len(ended) < before + 3:
        time.sleep(0.1)
    over.set()
    worker.join()
    assert len(ended) >= before + 3
    storage.close()


def test_eight_workers_wait_for_a_storage_away_for_a_minute_and_end_the_trials_asked_for(
    home: Path, store: Store, server: Postgres
) -> None:
    away, count = float(os.environ.get("OUTAGE_SECONDS", 60)), 12
    process = start_study(
        "digits_quick",
        f"n_trials={count}",
        "workers=8",
        f"storage={server.url}",
        *LONG,
        folder=home.parent,
    )
    ended: list[bool] = []
    while not any(ended) and process.poll() is None:
        time.sleep(0.2)
        with suppress(KeyError):  # there is no study yet
            ended = [t.state.is_finished() for t in trials_of(server.url, "digits_quick")]
    server.stop()
    time.sleep(away)
    server.start()
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert_agreement(store, server.url, "digits_quick", count)
    assert all(t.state.name != "FAIL" for t in trials_of(server.url, "digits_quick"))
    log = (home / "workers" / "digits_quick.log").read_text()
    assert "the study storage answers again" in log
