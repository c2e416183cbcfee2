"""The whole of it: what is missing is run, whatever ended it before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.ablation.definitions import SMALL, ablate, define
from tests.conftest import Run, multihead

from multihead.ablation.outcome import outcome
from multihead.ablation.plan import prepare
from multihead.ablation.records import ARM_KIND, ARM_TAG, PARENT_TAG, parents_of, search
from multihead.tracking.store import Store
from multihead.tracking.tags import DESCRIPTION_TAG

ARMS = {"single": {"single_task": ["digit"]}, "uniform": {"loss_weights": "uniform"}}
UNIFORM = ("model.loss_weights=null", "optimized_metric=null", *SMALL)


@pytest.fixture
def file(home: Path, tmp_path: Path) -> Path:
    """An ablation of four trainings."""
    path = tmp_path / "small.yaml"
    content = {"experiment": "multihead_cnn_digits", "overrides": list(SMALL), "arms": ARMS}
    path.write_text(yaml.safe_dump({**content, "baseline": "single", "seeds": 2, "workers": 2}))
    return path


def arm_runs(store: Store) -> list[object]:
    return list(search(store, f"tags.`multihead.kind` = '{ARM_KIND}'"))


def test_a_run_on_record_is_found_by_what_it_trained(train: Run, store: Store) -> None:
    """Whoever made it; a run with another learning rate is another training."""
    run = train("seed=1", *UNIFORM)
    plan = prepare(define(arms=ARMS))
    missing = [cell.name for cell in plan.missing(store)]
    assert missing == ["single-digit-seed1", "single-digit-seed2", "uniform-seed2"]
    found = plan.on_record(store)["uniform-seed1"]
    assert [each.info.run_id for each in found] == [run.mlflow_id]
    other = prepare(define(arms=ARMS, overrides=(*SMALL, "model.optimizer.lr=0.003")))
    assert len(other.missing(store)) == 4


def test_a_dry_run_estimates_the_time_by_trainings_on_record_or_not_at_all(
    file: Path, train: Run
) -> None:
    """A few batches say little of a short training: 11 s were shown where it took 44 s."""
    arguments = (str(file), "--dry-run")
    before = ablate(*arguments).stdout
    assert "no estimate of the time: no training on record" in before
    assert "uniform: heads digit, thickness, smoothness; the same weight for each loss;" in before
    assert "model." not in before
    train("seed=7", *UNIFORM)
    after = ablate(*arguments).stdout
    assert "(median of 1 training on record with the same data, network and epochs)" in after
    assert "same data, heads, network, balancer and epochs)" in after
    assert "time left: about" in after


@pytest.mark.slow(minutes=0.7)
def test_trainings_on_record_are_not_run_again(file: Path, train: Run, store: Store) -> None:
    before = train("seed=1", *UNIFORM)
    first = ablate(str(file))
    assert first.exit_code == 0, first.stderr
    assert "4 trainings: 1 on record, 3 to run" in first.stdout
    assert "not met: no test before selection: uniform" in first.stdout
    (parent,) = parents_of(store, "small")
    description = parent.data.tags[DESCRIPTION_TAG]
    assert description.startswith("**Ablation small**: 2 arms")
    assert f"runs/{parent.info.run_id}/artifacts/report/report.html" in description
    made = arm_runs(store)
    assert [run.data.tags[PARENT_TAG] for run in made] == [parent.info.run_id] * 3
    assert sorted(run.data.tags[ARM_TAG] for run in made) == ["single", "single", "uniform"]
    again = ablate(str(file))
    assert again.exit_code == 0, again.stderr
    assert "4 on record, 0 to run" in again.stdout
    assert len(arm_runs(store)) == 3
    plan = prepare(define(arms=ARMS))
    result = outcome(plan, store, {})
    assert set(result.values["seed"]) == {1, 2}
    assert before.run_id in set(result.runs["run"])
    assert (result.runs["state"] == "FINISHED").all()
    assert len(result.test_reads) == 4
    assert result.curves["epoch"].max() == 1


@pytest.mark.slow(minutes=0.7)
def test_an_ablation_killed_half_way_goes_on_to_the_same_figures(
    file: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill -9 of the command and its workers, then the same command again."""
    longer = "trainer.max_epochs=30"
    command = [sys.executable, "-m", "multihead", "ablate", str(file), longer]
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ, start_new_session=True)
    deadline = time.monotonic() + 240
    while not list((store.home / "ablations").glob("small/cells/*.json")) or not list(
        store.home.glob("*/checkpoints/last.ckpt")
    ):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    begun = {path.parent.name for path in store.home.glob("*/spool.jsonl")}
    done = ablate(str(file), longer)
    assert done.exit_code == 0, done.stderr
    runs = arm_runs(store)
    assert len(runs) == 4
    assert begun <= {run.data.tags["multihead.run"] for run in [*runs, *parents_of(store, "small")]}
    assert {run.info.status for run in runs} == {"FINISHED"}
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("MULTIHEAD_HOME", str(tmp_path / "h"))
        whole = ablate(str(file), longer, "name=whole")
    assert whole.exit_code == 0, whole.stderr
    resumed, straight = (_values(s) for s in (store, Store(home=tmp_path / "h")))
    pd.testing.assert_frame_equal(resumed, straight)


def _values(store: Store) -> pd.DataFrame:
    plan = prepare(define(arms=ARMS, overrides=(*SMALL, "trainer.max_epochs=30")))
    return outcome(plan, store, {}).values.drop(columns="run")


@pytest.mark.slow(minutes=0.7)
def test_a_failed_training_is_shown(file: Path) -> None:
    content = yaml.safe_load(file.read_text())
    content["arms"]["wild"] = {"overrides": ["model.optimizer.lr=1.0e+30"]}
    file.write_text(yaml.safe_dump(content | {"workers": 1}))
    done = ablate(str(file))
    assert done.exit_code == 1
    assert "FAILED wild-seed1" in done.stderr
    assert "not met: no training failed: wild seed 1" in done.stdout
    assert "single-digit-seed1  FINISHED" in done.stderr


@pytest.mark.slow(minutes=0.7)
def test_a_home_that_cannot_be_written_to_is_one_line(file: Path) -> None:
    blocked = file.parent / "file"
    blocked.touch()
    done = multihead(["ablate", str(file)], folder=file.parent, MULTIHEAD_HOME=str(blocked / "x"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be a folder (Not a directory)" in done.stderr
