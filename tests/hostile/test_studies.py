"""A study in a storage is a record, too: whoever can write there decides what it says."""

import json
import sys
from typing import Any

import pytest
import sqlalchemy as sa
from lightning.pytorch import Callback
from tests.studies.conftest import Define, define, empty_studies, storage  # noqa: F401

from multihead.errors import ConfigError
from multihead.settings import OWN_STUDY_VARIABLE, study_storage
from multihead.studies.create_or_resume import as_started, load, start, trusted_of
from multihead.studies.definition import Definition
from multihead.studies.registry import studies
from multihead.studies.storage import StudyStorage
from multihead.studies.worker import main
from multihead.tracking.store import Store


class Own(Callback):
    """A callback of the person's own."""


def _begun(definition: Definition) -> None:
    opened = start(definition, resume=False)
    assert opened.presence is not None
    opened.presence.end()
    opened.storage.close()


def _rewrite(change: dict[str, Any]) -> None:
    """Change what the storage says of the study."""
    there = StudyStorage(study_storage())
    with there.engine.begin() as connection:
        content = json.loads(connection.execute(sa.select(studies.c.definition)).scalar_one())
        content |= {k: v for k, v in change.items() if k != "overrides"}
        content["overrides"] += change.get("overrides", [])
        connection.execute(sa.update(studies).values(definition=json.dumps(content)))
    there.close()


HOSTILE: dict[str, dict[str, Any]] = {
    "a callback": {"overrides": ["+callbacks.a={_target_: this.d}"]},
    "a secret": {"overrides": ["name='${oc.env:SECRET}'"]},
    "a search path": {"overrides": ["hydra.searchpath=[pkg://this]"]},
    "an added search path": {"overrides": ["++hydra.searchpath=[pkg://this]"]},
    "a choice": {"space": {"model.optimizer._target_": ["torch.optim.Adam", "this.d"]}},
    "the data": {"overrides": ["data._target_=this.d"]},
}


@pytest.mark.slow
def test_a_study_of_a_storage_runs_nothing_that_its_person_does_not_have(
    define: Define,  # noqa: F811
    storage: StudyStorage,  # noqa: F811
    store: Store,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = define()
    _begun(own)
    with storage.engine.connect() as connection:
        good = connection.execute(sa.select(studies.c.definition)).scalar_one()
    for name, change in HOSTILE.items():
        with storage.engine.begin() as connection:
            connection.execute(sa.update(studies).values(definition=good))
        _rewrite(change)
        there = as_started(own, [])
        if name != "a choice":  # looking at it chooses nothing
            with pytest.raises(ConfigError, match=r"may not"):
                load(own)
        with pytest.raises(ConfigError, match=r"may not"):
            start(there, resume=True, trust=trusted_of(there, own, ()))
        if name != "a choice":
            assert main(["--study", own.name, "--storage", study_storage()]) == 2
            assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert "this" not in sys.modules


@pytest.mark.slow
def test_shell_lines_of_a_study_in_a_storage_are_typed_or_not_run(
    define: Define,  # noqa: F811
    storage: StudyStorage,  # noqa: F811
    store: Store,
) -> None:
    own = define()
    _begun(own)
    _rewrite({"engine": {"name": "submitit", "executor": "local", "setup": ["touch canary"]}})
    with pytest.raises(ConfigError, match="engine submitit and setup of its own; give engine"):
        as_started(own, [])


@pytest.mark.slow
def test_a_worker_runs_what_whoever_started_it_has(
    define: Define,  # noqa: F811
    storage: StudyStorage,  # noqa: F811
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command that starts it tells it so; by hand one names the class."""
    target = "tests.hostile.test_studies.Own"
    overrides = [*define().overrides, f"+callbacks.own._target_={target}"]
    own = define(overrides=overrides, n_trials=2)
    opened = start(own, resume=False)
    assert opened.presence is not None
    worker = ["--study", own.name, "--storage", study_storage()]
    assert main(worker) == 2
    assert f"names {target} (callbacks.own)" in capsys.readouterr().err
    monkeypatch.setenv(OWN_STUDY_VARIABLE, opened.told_to_workers[OWN_STUDY_VARIABLE])
    assert main(worker) == 0
    assert {trial.state.name for trial in opened.trials()} == {"COMPLETE"}
    monkeypatch.setenv(OWN_STUDY_VARIABLE, "")
    assert main([*worker, "--trust", target]) == 0
    opened.presence.end()
    opened.storage.close()
