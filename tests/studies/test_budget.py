"""Whose turn a trial is, and when a study ends; what every storage does is in test_storages."""

import time

import optuna
import pytest
from optuna.trial import TrialState
from tests.studies.conftest import DONE, Define, claim, end, expire

from multihead.studies.budget import Budget, Limits
from multihead.studies.lease import Lease, Outcome
from multihead.studies.registry import register
from multihead.studies.storage import StudyStorage


@pytest.fixture
def study(storage: StudyStorage, define: Define) -> optuna.Study:
    register(storage, define())
    return optuna.load_study(study_name="search", storage=storage.optuna)


def test_an_interrupted_trial_keeps_its_number_and_goes_first(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(5, 3, None))
    first = claim(budget, "a")
    first.release(storage)
    again = claim(budget, "b")
    assert (again.number, again.trial_id, again.attempt) == (first.number, first.trial_id, 2)


def test_a_trial_that_kills_its_workers_fails_in_the_end(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(1, 2, None), certain_after=0)
    for _ in range(3):
        assert claim(budget).number == 0
        expire(storage)
    assert budget.claim("a") == "done"
    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[0].user_attrs["cause"] == "its worker died 3 times"


def test_stopping_a_study_costs_no_retry(storage: StudyStorage, study: optuna.Study) -> None:
    budget = Budget(storage, study, Limits(1, 0, None))
    for _ in range(4):
        claim(budget).release(storage)
    end(budget, claim(budget))


def test_a_trial_whose_maker_died_before_the_lease_is_adopted(
    storage: StudyStorage, study: optuna.Study
) -> None:
    study.ask()
    budget = Budget(storage, study, Limits(1, 0, None))
    assert claim(budget).number == 0
    assert budget.claim("b") == "wait"


def test_a_trial_decided_but_not_told_is_told_by_the_next_claim(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(1, 0, None))
    claim(budget).decide(storage, Outcome("PRUNED", cause="too slow"))
    assert budget.claim("b") == "done"
    assert study.trials[0].state == TrialState.PRUNED
    assert study.trials[0].user_attrs["cause"] == "too slow"


def test_a_trial_that_somebody_ended_in_optuna_alone_does_not_hold_the_study_up(
    storage: StudyStorage, study: optuna.Study
) -> None:
    """The dashboard can do that, and the lease is open then."""
    budget = Budget(storage, study, Limits(1, 3, None), certain_after=0)
    lease = claim(budget)
    study.tell(lease.number, 0.5)
    expire(storage)
    end(budget, claim(budget))
    assert budget.claim("a") == "done"


def test_trials_that_wait_are_claimed_in_order_before_new_ones_are_made(
    storage: StudyStorage, study: optuna.Study
) -> None:
    for x in (0.1, 0.2):
        study.enqueue_trial({"x": x})
    budget = Budget(storage, study, Limits(3, 0, None))
    assert [claim(budget).number for _ in range(3)] == [0, 1, 2]
    assert budget.claim("a") == "wait"


@pytest.mark.parametrize("way", ["enqueued", "adopted", "taken over"])
def test_a_process_that_has_read_no_trial_samples_one_that_others_made(
    way: str, storage: StudyStorage, study: optuna.Study
) -> None:
    match way:
        case "enqueued":
            study.enqueue_trial({"y": 0.1})
        case "adopted":
            study.ask()
        case _:
            claim(Budget(storage, study, Limits(1, 3, None))).release(storage)
    fresh = StudyStorage(storage.url)
    other = optuna.load_study(
        study_name="search", storage=fresh.optuna, sampler=optuna.samplers.RandomSampler()
    )
    lease = claim(Budget(fresh, other, Limits(1, 3, None)))
    optuna.Trial(other, lease.trial_id).suggest_float("x", 0, 1)
    assert set(study.trials[0].params) == {"x"}
    fresh.close()


def test_ten_failures_in_a_row_with_one_cause_end_the_study(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(50, 0, None))
    for step in range(10):
        end(budget, claim(budget), Outcome("FAIL", cause=f"loss not finite at step {step}"))
    assert budget.claim("a") == "done"


def test_patience_ends_a_study_although_later_trials_equal_the_best(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(50, 0, patience=3))
    for value in (0.9, 0.8, 0.9, 0.9):
        end(budget, claim(budget), Outcome("COMPLETE", (value,)))
    assert budget.claim("a") == "done"


def test_patience_begins_anew_with_each_improvement(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(50, 0, patience=3))
    for value in (0.8, 0.7, 0.7, 0.9, 0.7, 0.7):
        end(budget, claim(budget), Outcome("COMPLETE", (value,)))
    end(budget, claim(budget), Outcome("PRUNED"))
    assert budget.claim("a") == "done"


def test_a_success_among_failures_lets_the_study_go_on(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(50, 0, None))
    for step in range(12):
        end(budget, claim(budget), DONE if step == 5 else Outcome("FAIL", cause="same"))
    assert isinstance(budget.claim("a"), Lease)


def test_no_improvement_for_n_trials_ends_the_study(
    storage: StudyStorage, study: optuna.Study
) -> None:
    budget = Budget(storage, study, Limits(50, 0, 4))
    for value in (0.1, 0.9, 0.2, 0.3, 0.4, 0.5):
        end(budget, claim(budget), Outcome("COMPLETE", (value,)))
    assert budget.claim("a") == "done"


def test_a_clock_that_is_set_forward_takes_no_trial_from_a_worker_that_lives(
    storage: StudyStorage, study: optuna.Study
) -> None:
    """Every lease runs out at once then, until the workers' next beats."""
    budget = Budget(storage, study, Limits(1, 0, None), certain_after=0.5)
    lease = claim(budget, "a")
    for _ in range(8):
        expire(storage)
        assert budget.claim("b") == "wait"
        lease.renew(storage)
        assert budget.claim("b") == "wait"
        time.sleep(0.1)
    expire(storage)
    assert budget.claim("b") == "wait"
    time.sleep(0.6)
    assert budget.claim("b") == "done"  # without a word for long enough: it counts as dead
    assert study.trials[0].user_attrs["cause"] == "its worker died 1 times"
