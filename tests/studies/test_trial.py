"""Trials as runs: real trainings of the digits, in this process."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from tests.studies.conftest import Define, assert_agreement
from tests.tracking.faults import Server, told_to_end_while_finishing

from multihead.errors import StoreError
from multihead.settings import OWN_STUDY_VARIABLE, study_storage
from multihead.studies.check import prepare
from multihead.studies.confirm import confirm
from multihead.studies.create_or_resume import OpenStudy, start
from multihead.studies.definition import Definition
from multihead.studies.lease import Lease
from multihead.studies.recover import Agreement, check_agreement, runs_of, seal
from multihead.studies.registry import known
from multihead.studies.table import trials_table
from multihead.studies.worker import main
from multihead.tracking.store import Store
from multihead.workers import EXIT_MEMORY

pytestmark = pytest.mark.slow(minutes=0.2)


def search(definition: Definition) -> OpenStudy:
    """Run a study with one worker, in this process."""
    opened = start(definition, resume=False)
    assert opened.presence is not None
    assert main(["--study", definition.name, "--storage", study_storage()]) == 0
    opened.presence.end()
    return opened


def test_a_serial_study_has_the_base_as_trial_0_and_never_reads_the_test_split(
    store: Store, define: Define
) -> None:
    space = {
        "model.optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True},
        "loss_weights": {"simplex": ["digit", "thickness", "smoothness"]},
    }
    opened = search(define(space=space, confirm={"seeds": 1}))
    assert_agreement(store, study_storage(), "search", 3)
    table = trials_table(opened.definition, opened.plan.space, opened.trials(), opened.storage)
    assert table.loc[0, "model.optimizer.lr"] == 0.002
    weights = table[["weights.digit", "weights.thickness", "weights.smoothness"]]
    assert weights.loc[0].tolist() == pytest.approx([1.0, 0.5, 0.5])
    assert weights.sum(axis=1).tolist() == pytest.approx([2.0] * 3)
    for run_id in table["mlflow_id"]:
        metrics = store.client.get_run(run_id).data.metrics
        assert not [name for name in metrics if name.startswith("test/")]
    (confirmed,) = confirm(opened)
    assert "test/digit_acc" in confirmed.metrics
    assert confirm(opened)[0].run_id == confirmed.run_id, "each is tested once"
    opened.storage.close()


def test_a_pruned_trial_says_at_which_step_and_why(store: Store, define: Define) -> None:
    pruner = {"name": "threshold", "lower": 1.1}
    overrides = ["trainer.max_epochs=3", "trainer.min_epochs=3", "trainer.accelerator=cpu"]
    split = ["data.train_val_test_split=[64,64,64]"]
    search(define(pruner=pruner, overrides=[*overrides, *split], n_trials=1)).storage.close()
    assert_agreement(store, study_storage(), "search", 1)
    runs = store.client.search_runs([store.experiment_id("search")], "tags.`multihead.trial` = '0'")
    assert runs[0].data.tags["multihead.pruned"] == "pruner threshold at step 1"
    assert runs[0].data.metrics["epoch"] == 0


def test_seeds_are_runs_and_the_objective_is_their_mean(store: Store, define: Define) -> None:
    opened = search(define(seeds=2, n_trials=1))
    (trial,) = opened.trials()
    values = [v for (v,) in trial.user_attrs["seed_values"].values()]
    assert len(values) == 2
    assert trial.value == pytest.approx(sum(values) / 2)
    ids = trial.user_attrs["mlflow_runs"].values()
    assert {store.client.get_run(i).info.status for i in ids} == {"FINISHED"}
    opened.storage.close()


def test_several_objectives_are_pruned_after_a_seed(store: Store, define: Define) -> None:
    pruner = {"name": "dominance", "n_dominators": 1, "n_startup_trials": 1, "n_warmup_steps": 0}
    overrides = [*define().overrides, "data.train_val_test_split=[512,64,64]"]
    opened = search(
        define(
            objectives=["val/digit_loss", "val/thickness_loss"],
            pruner=pruner,
            overrides=overrides,
            enqueue=[{"model.optimizer.lr": 1e-4}],
            seeds=2,
            n_trials=2,
        )
    )
    good, bad = opened.trials()
    assert (good.state, bad.state) == (TrialState.COMPLETE, TrialState.PRUNED)
    assert len(bad.user_attrs["seed_values"]) == 1
    opened.storage.close()


def test_an_interrupted_trial_goes_on_in_its_run(store: Store, define: Define) -> None:
    """A worker died after the run was made: number, parameters and run stay."""
    definition = define(n_trials=1)
    opened = start(definition, resume=False)
    assert opened.presence is not None
    lease = opened.budget.claim("somebody who dies")
    assert isinstance(lease, Lease)
    params = opened.plan.space.suggest(optuna.Trial(opened.study, lease.trial_id))
    lease.release(opened.storage, lost=True)
    assert main(["--study", "search", "--storage", study_storage()]) == 0
    opened.presence.end()
    (trial,) = opened.trials()
    assert trial.params == params
    assert_agreement(store, study_storage(), "search", 1)
    opened.storage.close()


def test_a_worker_that_is_told_to_end_while_a_run_is_finished_starts_no_other_trial(
    store: Store, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = start(define(n_trials=2), resume=False)
    assert opened.presence is not None
    command = ["--study", "search", "--storage", study_storage()]
    with told_to_end_while_finishing(monkeypatch):
        assert main(command) == 143
    assert len(opened.trials()) == 1
    (before,) = runs_of(store, "search", "search", "trial")
    assert before.info.status == "FINISHED"
    assert main(command) == 0
    opened.presence.end()
    assert_agreement(store, study_storage(), "search", 2)
    after = store.client.get_run(before.info.run_id)
    assert _learnt(after) == _learnt(before)
    opened.storage.close()


def _learnt(run: Any) -> dict[str, float]:
    return {k: v for k, v in run.data.metrics.items() if not k.startswith("system/")}


def test_a_trial_without_memory_is_tried_again_and_fails_with_that_cause(
    store: Store, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without memory ends, so that what it holds is free for the next one."""
    overrides = [*define().overrides, "+callbacks.hungry._target_=tests.studies.conftest.Hungry"]
    opened = start(define(n_trials=1, retries=1, overrides=overrides), resume=False)
    assert opened.presence is not None
    monkeypatch.setenv(OWN_STUDY_VARIABLE, opened.told_to_workers[OWN_STUDY_VARIABLE])
    for _ in range(2):
        with pytest.raises(SystemExit) as stop:
            main(["--study", "search", "--storage", study_storage()])
        assert stop.value.code == EXIT_MEMORY
    assert main(["--study", "search", "--storage", study_storage()]) == 0
    opened.presence.end()
    (trial,) = opened.trials()
    assert trial.state.name == "FAIL"
    assert trial.user_attrs["cause"].startswith("out of memory (")
    assert trial.user_attrs["cause"].endswith(" 2 times")
    check_agreement(store, opened.storage, opened.study, opened.plan.configs, opened.parent)
    assert_agreement(store, study_storage(), "search", 1)
    opened.storage.close()


def test_check_repairs_what_a_crash_left(store: Store, define: Define) -> None:
    opened = search(define(n_trials=2))
    first = opened.trials()[0]
    mlflow_id = next(iter(first.user_attrs["mlflow_runs"].values()))
    store.client.update_run(mlflow_id, status="RUNNING")
    opened.study.ask()
    found = check_agreement(store, opened.storage, opened.study, opened.plan.configs, opened.parent)
    assert any("trial 0 is COMPLETE, its run was RUNNING" in line for line in found.repaired)
    assert any("trial 2 was RUNNING, but nobody works on it" in line for line in found.repaired)
    assert store.client.get_run(mlflow_id).info.status == "FINISHED"
    again = check_agreement(store, opened.storage, opened.study, opened.plan.configs, opened.parent)
    assert again == Agreement([], {})
    opened.storage.close()


def test_what_a_trial_could_not_send_is_sent_when_the_stores_are_compared(
    home: Path, tmp_path: Path, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("SERVER", str(server.group))
    overrides = [*define().overrides, "+callbacks.outage._target_=tests.studies.conftest.Outage"]
    opened = start(define(overrides=overrides, n_trials=1), resume=False)
    assert opened.presence is not None
    monkeypatch.setenv(OWN_STUDY_VARIABLE, opened.told_to_workers[OWN_STUDY_VARIABLE])
    unsaid = main(["--study", "search", "--storage", study_storage()])
    assert unsaid  # it could not say how it ended
    opened.presence.end()
    about = (opened.storage, opened.study, opened.plan.configs, opened.parent)
    try:
        with pytest.raises(StoreError):
            check_agreement(opened.store, *about)
        server.start()
        assert check_agreement(opened.store, *about) == Agreement([], {})
        assert_agreement(opened.store, study_storage(), "search", 1)
        (run,) = runs_of(opened.store, "search", "search", "trial")
        assert run.data.metrics["val/digit_acc"] == opened.trials()[0].value
    finally:
        server.kill()
        opened.storage.close()


def test_a_trial_that_failed_before_it_had_a_run_gets_one_record(
    store: Store, define: Define
) -> None:
    opened = start(define(), resume=False)
    assert opened.presence is not None
    number = opened.study.ask().number
    opened.study.tell(number, state=TrialState.FAIL)
    for _ in range(2):
        trial = opened.trials()[number]
        seal(store, opened.plan.configs, trial, parent=opened.parent)
    experiment = opened.plan.configs.base.logger.experiment_name
    (run,) = runs_of(store, experiment, "search", "trial", number=number)
    assert run.info.status == "FAILED"
    opened.presence.end()
    opened.storage.close()


def test_a_worker_finds_data_and_base_by_itself(define: Define, store: Store) -> None:
    opened = start(define(), resume=False)
    assert opened.presence is not None
    there = known(opened.storage, "search")
    assert prepare(there.definition).space == opened.plan.space
    opened.presence.end()
    opened.storage.close()
