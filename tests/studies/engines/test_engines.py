"""What every engine does with the workers of a study; the same claims for each, and for another's.

Workers are real, and train the digits. What only one engine does is in that one's own file.
"""

import gc
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import pytest
from tests.studies.conftest import LONG, SMALL, Define, assert_agreement
from tests.studies.engines.outside_engine import OutsideEngine

from multihead.errors import StoreError
from multihead.studies.create_or_resume import OpenStudy, start
from multihead.studies.engines.engine import Engine
from multihead.studies.engines.local import LocalEngine
from multihead.studies.engines.make import make_engine
from multihead.studies.lease import rows_of
from multihead.studies.registry import present, update

pytestmark = pytest.mark.slow
SUBMITIT = {"name": "submitit", "executor": "local"}
# By name: the study's key `engine`, and what makes the engine of an open study.
ENGINES = {
    "local": ({"name": "local"}, LocalEngine),
    "submitit": (SUBMITIT, make_engine),
    "outside": ({"name": "local"}, OutsideEngine),
}
# A trial that no machine ends before it is told to.
ENDLESS = (*LONG, "trainer.max_epochs=10000", "callbacks.early_stopping=null")
Begin = Callable[..., tuple[OpenStudy, Engine]]


@pytest.fixture(params=ENGINES)
def begin(request: pytest.FixtureRequest, define: Define, store: object) -> Iterator[Begin]:
    """Make a study with one worker, and its engine, which is ended afterwards."""
    choice, make = ENGINES[request.param]
    made: list[tuple[OpenStudy, Engine]] = []

    def begin(*overrides: str, **keys: object) -> tuple[OpenStudy, Engine]:
        given = [o for o in overrides if o.startswith(("trainer", "data", "callbacks"))]
        keys = {"n_trials": 1, "workers": 1, "devices_per_worker": 0, "keep": None, **keys}
        opened = start(define(engine=choice, overrides=given, **keys), resume=False)
        made.append((opened, make(opened)))
        return made[-1]

    yield begin
    for opened, engine in made:
        end(engine)
        assert opened.presence is not None
        opened.presence.end()
        opened.storage.close()


def places(opened: OpenStudy) -> list[str]:
    """Return where workers are that have a trial."""
    there = present(opened.storage, opened.name)
    return [w.place for w in there if w.kind == "worker" and w.number is not None]


def pid_of(place: str) -> int:
    """Return the process of a place."""
    return int(place.rsplit(" ", 1)[1])


def works(place: str) -> bool:
    """Return whether the process of a place is there, and more than its exit code."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid_of(place)).status() != psutil.STATUS_ZOMBIE
    return False


def end(engine: Engine) -> None:
    """End an engine; what it started is not waited for by submitit, which is no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        engine.end()
        gc.collect()


def look(opened: OpenStudy, engine: Engine, until: Callable[[], object], silent: str = "") -> None:
    """Look as a command does, until something is so."""
    deadline = time.monotonic() + 300
    while not until():
        assert time.monotonic() < deadline
        ended = sum(row.outcome is not None for row in rows_of(opened.storage, opened.name))
        engine.look({silent} if silent else (), ended)
        time.sleep(0.2)


def over(opened: OpenStudy, engine: Engine) -> Callable[[], bool]:
    """Return a question: whether no worker is left."""
    return lambda: not engine.look((), 0)


def test_workers_that_die_or_fall_silent_are_replaced_and_all_end_when_told(begin: Begin) -> None:
    opened, engine = begin(*ENDLESS)
    engine.start()
    engine.start()
    look(opened, engine, lambda: places(opened))
    assert len(places(opened)) == 1, "a worker that was there stayed, and no other started"
    (first,) = places(opened)
    os.kill(pid_of(first), signal.SIGKILL)
    look(opened, engine, lambda: places(opened) not in ([], [first]))
    (second,) = places(opened)
    os.kill(pid_of(second), signal.SIGSTOP)
    look(opened, engine, lambda: places(opened) not in ([], [second]), silent=second)
    (third,) = places(opened)
    engine.interrupt()
    look(opened, engine, over(opened, engine))
    end(engine)
    assert not any(works(place) for place in (first, second, third))
    (row,) = rows_of(opened.storage, opened.name)
    assert (row.outcome, row.lost) == (None, 2), "the third left with a checkpoint"


def test_nothing_is_at_work_when_all_trials_have_ended(begin: Begin) -> None:
    opened, engine = begin(*SMALL)
    engine.start()
    look(opened, engine, over(opened, engine))
    assert_agreement(opened.store, opened.definition.storage_url, opened.name, 1)
    assert not engine.look((), 1), "no other worker starts"


def test_workers_that_cannot_work_are_given_up(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their study asks for an experiment that is not there, as after a change of its files."""
    monkeypatch.setattr("multihead.workers._EARLY_DEATHS", 2)  # instead of 5, to save time
    opened, engine = begin(*SMALL)
    gone = opened.definition.model_copy(update={"experiment": "gone"})
    update(opened.storage, gone, parent=opened.parent, stop=None, interrupt=False)
    engine.start()
    with pytest.raises(StoreError, match=r"2 workers in a row failed .* code 2"):
        look(opened, engine, over(opened, engine))
