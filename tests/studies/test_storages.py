"""What every storage of studies does; the same claims for each of ours, and for another's."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState
from tests.postgres import postgres, postgres_programs
from tests.studies.conftest import DONE, Define, claim, end, expire
from tests.studies.outside_storage import OutsideStorage

from multihead.errors import ConfigError
from multihead.studies.budget import Budget, Limits
from multihead.studies.lease import Lease, LeaseLost, Outcome
from multihead.studies.registry import ask_to_stop, known, register, registered, update
from multihead.studies.storage import StudyStorage

POSTGRES = [
    pytest.mark.slow,
    pytest.mark.skipif(postgres_programs() is None, reason="there is no PostgreSQL here"),
]
ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from {module} import {cls}
with {cls}({url!r}).lock("search"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as made:
        yield made.url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=POSTGRES), "outside"])
def kind(request: pytest.FixtureRequest) -> type[StudyStorage]:
    return OutsideStorage if request.param == "outside" else StudyStorage


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a storage that is not there yet."""
    if request.node.callspec.params["kind"] != "postgresql":
        return f"sqlite:///{tmp_path}/new/studies.db"
    address: str = request.getfixturevalue("server")
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return address


@pytest.fixture
def storage(kind: type[StudyStorage], url: str) -> Iterator[StudyStorage]:
    made = kind(url, create=True)
    yield made
    made.close()


@pytest.fixture
def study(storage: StudyStorage, define: Define) -> optuna.Study:
    return register(storage, define())


def together(*calls: Callable[[], object]) -> None:
    """Make some calls at the same time."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_storage_is_made_once_by_whoever_comes_first(kind: type[StudyStorage], url: str) -> None:
    made: list[StudyStorage] = []
    together(*[lambda: made.append(kind(url, create=True))] * 3)
    assert len(made) == 3
    for each in made:
        each.close()
    there = kind(url)
    assert registered(there, "search") is None
    there.close()


def test_a_storage_of_an_earlier_version_gets_the_index_that_claims_need(
    kind: type[StudyStorage], storage: StudyStorage
) -> None:
    with storage.engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX ix_multihead_leases_decided"))
    kind(storage.url, create=True).close()
    found = [index["name"] for index in sa.inspect(storage.engine).get_indexes("multihead_leases")]
    assert found == ["ix_multihead_leases_decided"]


def test_the_clock_is_seconds_since_1970_and_moves(storage: StudyStorage) -> None:
    """Leases of an hour, or of a millisecond, would follow from another unit."""

    def read() -> float:
        with storage.engine.connect() as connection:
            return float(connection.execute(sa.select(storage.now)).scalar_one())

    first, began = read(), time.time()
    assert abs(first - began) < 60
    time.sleep(0.1)
    assert 0.05 < read() - first < 60


def test_one_at_a_time_decides_on_a_study(storage: StudyStorage) -> None:
    inside, most = 0, 0

    def decide() -> None:
        nonlocal inside, most
        with storage.lock("search"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    together(*[decide] * 4)
    assert most == 1


def test_a_process_that_is_killed_lets_go_of_its_study(
    kind: type[StudyStorage], storage: StudyStorage
) -> None:
    code = HOLD.format(module=kind.__module__, cls=kind.__name__, url=storage.url)
    command = [sys.executable, "-c", code]  # it imports the tests, from the root
    decided = threading.Event()

    def decide() -> None:
        with storage.lock("search"):
            decided.set()

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            waiting = threading.Thread(target=decide)
            waiting.start()
            assert not decided.wait(0.3)
        finally:
            holder.kill()
    waiting.join(30)
    assert decided.is_set()


def test_what_a_study_is_and_that_it_is_to_stop_is_there_for_all(
    kind: type[StudyStorage], storage: StudyStorage, define: Define
) -> None:
    definition = define(n_trials=7)
    with pytest.raises(ConfigError, match="no study 'search'; it has none yet"):
        known(storage, "search")
    update(storage, definition, parent="20260101-000000-abcdef", stop=None, interrupt=False)
    ask_to_stop(storage, "search", "asked to stop", interrupt=True)
    other = kind(storage.url)
    found = known(other, "search")
    other.close()
    assert found.definition == definition
    assert (found.parent, found.stop) == ("20260101-000000-abcdef", "asked to stop")
    assert found.interrupt


def test_many_threads_end_exactly_the_trials_asked_for(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(12, 0, None))

    def work(owner: str) -> None:
        while (lease := budget.claim(owner)) != "done":
            if isinstance(lease, Lease):
                end(budget, lease)

    together(*[lambda i=i: work(str(i)) for i in range(4)])
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 12


def test_the_late_word_of_a_worker_that_was_given_up_is_refused(
    storage: StudyStorage, study: optuna.Study
) -> None:
    """Optuna alone would accept it, and then fail the worker that took over."""
    budget = Budget(storage, study, Limits(5, 3, None), certain_after=0)
    old = claim(budget, "a")
    expire(storage)
    new = claim(budget, "b")
    with pytest.raises(LeaseLost):
        old.renew(storage)
    with pytest.raises(LeaseLost):
        old.decide(storage, Outcome("COMPLETE", (0.1,)))
    end(budget, new)
    assert study.trials[0].value == 0.5


def test_deciding_again_after_a_lost_reply_is_no_error(
    storage: StudyStorage, study: optuna.Study
) -> None:
    lease = claim(Budget(storage, study, Limits(5, 3, None)))
    lease.decide(storage, DONE)
    lease.decide(storage, DONE)
    with pytest.raises(LeaseLost):
        lease.decide(storage, Outcome("FAIL", cause="changed its mind"))


def test_a_lease_that_ran_out_is_still_ours_while_nobody_took_it(
    storage: StudyStorage, study: optuna.Study
) -> None:
    """After a minute without the storage, its workers go on."""
    lease = claim(Budget(storage, study, Limits(5, 3, None)))
    expire(storage)
    lease.renew(storage)
    lease.decide(storage, DONE)


@pytest.mark.parametrize(
    "address",
    ["mysql://me:geheim@host/studies", "me at a host", "sqlite://", "journal.log"],
)
def test_what_is_no_storage_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ConfigError, match="storage") as refused:
        StudyStorage(address)
    assert "geheim" not in str(refused.value)
    assert "\n" not in str(refused.value)
