"""A study that searches a config group: what it leaves of it, and that it survives being killed."""

import shlex
import signal
from pathlib import Path

import pytest
import yaml
from optuna.trial import FrozenTrial
from tests.studies.conftest import SMALL, assert_agreement, start_study, trials_of, until

from multihead.runs.config import compose_run
from multihead.settings import study_storage
from multihead.studies.create_or_resume import load
from multihead.studies.definition import load_definition
from multihead.studies.recover import runs_of
from multihead.studies.table import trials_table
from multihead.tracking.store import Store
from multihead.tracking.tags import DESCRIPTION_TAG
from multihead.yaml_file import read_yaml

pytestmark = pytest.mark.slow(minutes=0.5)

STUDY = {
    "experiment": "multihead_cnn_digits",
    "space": {
        "model/balancer": {"choices": ["static", "dwa", "cagrad"], "ranges": "declared"},
        "loss_weights": {
            "simplex": ["digit", "thickness", "smoothness"],
            "when": {"model/balancer": "static"},
        },
    },
    "objectives": "val/digit_acc",
    "sampler": {"name": "auto", "n_startup_trials": 2, "seed": 3},
    "n_trials": 4,
    "enqueue": [{"model/balancer": "dwa", "model.balancer.temperature": 3.0}],
}
OWN = {
    "static": {"simplex.digit", "simplex.thickness"},
    "dwa": {"dwa.temperature"},
    "cagrad": {"cagrad.c"},
}


def test_a_killed_study_goes_on_and_each_trial_has_its_method_s_parameters_alone(
    home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.parent / "groups.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    small = [*SMALL, "trainer.max_epochs=2", "confirm.seeds=1"]
    process = start_study("groups.yaml", *small, folder=home.parent)
    until(lambda: list(home.glob("*/checkpoints/last.ckpt")), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 143, output
    again = start_study("groups.yaml", *small, "--resume", folder=home.parent)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output
    assert "sampler tpe: some parameters have conditions" in output
    assert_agreement(store, study_storage(home), "groups", 4)

    trials = trials_of(study_storage(home), "groups")
    for trial in trials:
        assert set(trial.params) == {"model/balancer"} | OWN[trial.params["model/balancer"]]
        (run_id,) = trial.user_attrs["runs"].values()
        balancer = read_yaml(home / run_id / "config.yaml")["model"]["balancer"]
        assert balancer.get("temperature") == trial.params.get("dwa.temperature")
        assert balancer.get("c") == trial.params.get("cagrad.c")
    assert trials[1].params == {"model/balancer": "dwa", "dwa.temperature": 3.0}
    _assert_the_command_repeats_the_best(output, home, trials)

    monkeypatch.chdir(home.parent)
    opened = load(load_definition("groups.yaml", small))
    table = trials_table(opened.definition, opened.plan.space, opened.trials(), opened.storage)
    opened.storage.close()
    assert table["dwa.temperature"].notna().tolist() == [
        trial.params["model/balancer"] == "dwa" for trial in trials
    ]
    (page,) = home.glob("*/study/study.html")
    assert "sampler tpe: some parameters" in page.read_text()
    (own,) = runs_of(store, "groups", "groups", "study")
    description = own.data.tags[DESCRIPTION_TAG]
    assert "4 trials: 4 complete; **best: trial" in description
    assert "Searched: `model/balancer` static, dwa, cagrad" in description
    assert "| dwa.temperature |" in description
    assert f"runs/{own.info.run_id}/artifacts/study/study.html" in description


def _assert_the_command_repeats_the_best(
    output: str, home: Path, trials: list[FrozenTrial]
) -> None:
    """What it composes is what the trial trained, but for name, place and the test."""
    (line,) = (line for line in output.splitlines() if line.startswith("repeat"))
    _, _, overrides = line.partition(" train ")
    composed = compose_run(shlex.split(overrides))
    best = max(trials, key=lambda trial: (trial.value, -trial.number))
    (run_id,) = best.user_attrs["runs"].values()
    record = read_yaml(home / run_id / "config.yaml")
    for key in ("data", "model", "trainer", "seed"):
        assert composed[key] == record[key]
