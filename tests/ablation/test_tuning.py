"""Tuning is equal by rule, and never reads the test split."""

from pathlib import Path

import pytest
import yaml
from tests.ablation.definitions import SMALL, ablate, define

from multihead.ablation.plan import prepare
from multihead.ablation.records import search
from multihead.errors import ConfigError
from multihead.report.ablation_record import recorded
from multihead.studies.create_or_resume import start
from multihead.studies.definition import Definition as Study
from multihead.tracking.store import Store

SPACE = {"model.optimizer.lr": {"low": 1e-3, "high": 1e-2, "log": True}}


def test_a_study_without_a_finished_trial_has_no_best_one(home: Path) -> None:
    study = Study(
        name="idle",
        experiment="multihead_cnn_digits",
        overrides=SMALL,
        space=SPACE,
        objectives="val/score",
        n_trials=1,
    )
    start(study, resume=False).storage.close()
    arms = {"base": {}, "best": {"study": "idle"}}
    with pytest.raises(ConfigError, match="'idle' has no finished trial"):
        prepare(define(arms=arms, baseline="base"))


@pytest.mark.slow(minutes=1.5)
def test_every_network_is_tuned_alike_before_it_is_tested(
    home: Path, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "tuned.yaml"
    content = {
        "experiment": "multihead_cnn_digits",
        "overrides": list(SMALL),
        "arms": {"single": {"single_task": ["digit"]}, "uniform": {"loss_weights": "uniform"}},
        "baseline": "single",
        "seeds": 2,
        "tuning": {"trials": 2, "space": SPACE, "sampler": "random"},
    }
    path.write_text(yaml.safe_dump(content))
    done = ablate(str(path))
    assert done.exit_code == 0, done.stderr
    trials = list(search(store, "tags.`multihead.kind` = 'trial'"))
    studies = sorted(run.data.tags["multihead.study"] for run in trials)
    assert studies == ["tuned-single-digit"] * 2 + ["tuned-uniform"] * 2
    assert not any(name.startswith("test/") for run in trials for name in run.data.metrics)
    again = ablate(str(path))
    assert "4 on record, 0 to run" in again.stdout
    assert "tunes" not in again.stdout


@pytest.mark.slow(minutes=1.0)
def test_each_method_is_tuned_by_itself_and_one_that_fails_does_not_end_the_ablation(
    home: Path, store: Store, tmp_path: Path
) -> None:
    """Its search has no trial with a result, which the report says; the others are compared."""
    path = tmp_path / "methods.yaml"
    content = {
        "experiment": "multihead_cnn_digits",
        "overrides": list(SMALL),
        "arms": {
            "methods": {"balancers": ["static"]},
            "diverges": {"balancers": ["dwa"], "overrides": ["model.optimizer.lr=1.0e+30"]},
        },
        "baseline": "static",
        "seeds": 2,
        "tuning": {
            "trials": 1,
            "space": {"model.optimizer.weight_decay": {"low": 0.0, "high": 0.01}},
            "sampler": "random",
        },
    }
    path.write_text(yaml.safe_dump(content))
    done = ablate(str(path))
    assert done.exit_code == 1
    assert "FAILED dwa: no trial of its search methods-dwa has a result" in done.stderr
    assert "not met: no trial of a search failed: dwa: 1 of 1 failed" in done.stdout
    result = recorded("methods", store)
    assert set(result.values["arm"]) == {"static"}
    lost = result.runs[result.runs["arm"] == "dwa"]
    assert list(lost["state"]) == ["FAILED"] * 2
    assert set(result.comparison.table.query("arm == 'dwa'")["verdict"]) == {"inconclusive"}
