"""Some epochs for every trial, then the best K of them to the end."""

import pytest
from optuna.trial import TrialState, create_trial
from tests.studies.conftest import Define, assert_agreement, claim, end

from multihead.errors import ConfigError
from multihead.settings import study_storage
from multihead.studies.best_after import GOES_ON, BestAfter, make_best_after
from multihead.studies.budget import Budget, Limits
from multihead.studies.create_or_resume import start
from multihead.studies.lease import Lease, Outcome
from multihead.studies.registry import register
from multihead.studies.storage import StudyStorage
from multihead.studies.worker import main
from multihead.tracking.store import Store

TOLD = [(TrialState.PRUNED, 0.1), *((TrialState.RUNNING, value) for value in (0.9, 0.2, 0.5))]
RULE = BestAfter(epochs=1, trials=2, maximize=True)


def paused(storage: StudyStorage, define: Define, values: list[float | None]) -> Budget:
    """A study whose trials all wait after their first epoch, with these values."""
    study = register(storage, define())
    budget = Budget(storage, study, Limits(len(values), 1, None, RULE))
    for value in values:
        lease = claim(budget)
        if value is not None:
            study._storage.set_trial_intermediate_value(lease.trial_id, 1, value)
        lease.pause(storage)
    return budget


def test_exactly_the_best_go_on_when_all_have_trained(
    storage: StudyStorage, define: Define
) -> None:
    budget = paused(storage, define, [0.3, None, 0.9, 0.5, 0.5])
    assert [claim(budget).number, claim(budget, "b").number] == [2, 3]
    assert budget.stopped == [0, 1, 4]
    assert [t.state.name for t in budget.trials()] == [
        *("PRUNED", "PRUNED", "RUNNING", "RUNNING", "PRUNED"),
    ]
    assert budget.claim("c") == "wait"
    pruned = budget.trials()[0].user_attrs["cause"]
    assert pruned == "not among the best 2 after 1 epochs"


def test_nobody_goes_on_while_another_still_trains(storage: StudyStorage, define: Define) -> None:
    budget = paused(storage, define, [0.3, 0.9])
    more = Budget(storage, budget.study, Limits(3, 1, None, RULE))
    last = claim(more, "slow")
    assert more.claim("a") == "wait"
    end(more, last, Outcome("FAIL", cause="no"))
    assert {claim(more).number, claim(more).number} == {0, 1}


def test_a_worker_that_dies_while_it_decides_changes_nothing(
    storage: StudyStorage, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = paused(storage, define, [0.3, 0.9, 0.1, 0.5])
    decide, calls = Lease.decide, []

    def dies(lease: Lease, storage: StudyStorage, outcome: Outcome) -> None:
        calls.append(lease.number)
        decide(lease, storage, outcome)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Lease, "decide", dies)
    with pytest.raises(KeyboardInterrupt):
        budget.claim("a")
    assert {claim(budget).number, claim(budget).number} == {1, 3}
    assert [t.state.name for t in budget.trials()] == ["PRUNED", "RUNNING", "PRUNED", "RUNNING"]


def test_of_a_larger_study_only_those_among_the_best_of_all_go_on() -> None:
    trials = [create_trial(state=s, value=None, intermediate_values={1: v}) for s, v in TOLD]
    for number, trial in enumerate(trials):
        trial.number = number
    assert RULE.best(trials) == {1, 3}
    assert BestAfter(1, 2, maximize=False).best(trials) == {0, 2}


def test_a_trial_that_failed_takes_no_place_unless_it_had_one() -> None:
    """Else fewer than wanted would go on."""
    given = [(0.9, {}), (0.8, {GOES_ON: True})]
    failed = [
        create_trial(state=TrialState.FAIL, intermediate_values={1: v}, user_attrs=attrs)
        for v, attrs in given
    ]
    running = create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.5})
    trials = [*failed, running]
    for number, trial in enumerate(trials):
        trial.number = number
    assert RULE.best(trials) == {1, 2}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pruner": {"name": "best_after"}}, "trials is None; give an integer"),
        ({"pruner": {"name": "best_after", "trials": 2, "epochs": 0}}, "epochs is 0"),
        ({"pruner": {"name": "best_after", "trials": 2, "keep": 1}}, "no argument 'keep'"),
        ({"pruner": {"name": "best_after", "trials": 2}, "seeds": 2}, "set seeds=1"),
        (
            {
                "pruner": {"name": "best_after", "trials": 2},
                "objectives": ["val/digit_acc", "val/acc"],
            },
            "choose dominance or none",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    keys: dict[str, object], message: str, define: Define
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_best_after(define(**keys))


@pytest.mark.slow(minutes=0.2)
def test_a_trial_that_goes_on_is_one_training(store: Store, define: Define) -> None:
    """It has one run, with each epoch once, and comes to what it does without the pause."""
    overrides = [*define().overrides, "trainer.max_epochs=2"]
    found = {}
    for name, pruner in (("plain", "none"), ("search", {"name": "best_after", "trials": 1})):
        opened = start(
            define(name=name, overrides=overrides, pruner=pruner, n_trials=3, sampler="random"),
            resume=False,
        )
        assert opened.presence is not None
        assert main(["--study", name, "--storage", study_storage()]) == 0
        opened.presence.end()
        found[name] = opened.trials()
        assert_agreement(store, study_storage(), name, 3)
        opened.storage.close()
    assert sorted(t.state.name for t in found["search"]) == ["COMPLETE", "PRUNED", "PRUNED"]
    (best,) = (t for t in found["search"] if t.state.name == "COMPLETE")
    first = [t.intermediate_values[1] for t in found["search"]]
    assert best.intermediate_values[1] == max(first)
    assert best.intermediate_values == found["plain"][best.number].intermediate_values
    assert best.value == found["plain"][best.number].value
