"""What a study survives, by causing it."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from optuna.trial import TrialState
from tests.studies.conftest import LONG, SMALL, assert_agreement, start_study, trials_of, until

from multihead.settings import study_storage
from multihead.tracking.store import Store

pytestmark = pytest.mark.slow(minutes=1.5)


def worker_pids(home: Path) -> list[int]:
    """Return the process numbers of the workers that say they are there."""
    try:
        with closing(sqlite3.connect(home / "studies.db", timeout=30)) as connection:
            rows = connection.execute(
                "SELECT place FROM multihead_workers WHERE kind = 'worker' AND NOT ended"
            )
            return [int(place.rsplit(" ", 1)[-1]) for (place,) in rows]
    except sqlite3.OperationalError:
        return []


def kill_some(url: str, home: Path, process: subprocess.Popen[str], kills: int) -> int:
    """Kill -9 one worker after the other, at random moments while a trial runs."""
    killed: set[int] = set()
    rng = random.Random(0)
    while len(killed) < kills and process.poll() is None:
        time.sleep(rng.uniform(0, 0.5))
        running = [t for t in trials_of(url, "digits_quick") if t.state == TrialState.RUNNING]
        alive = [pid for pid in worker_pids(home) if pid not in killed]
        if running and alive:
            pid = rng.choice(alive)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    return len(killed)


def test_workers_killed_at_random_cost_no_trial_and_add_none(home: Path, store: Store) -> None:
    count, kills = int(os.environ.get("KILL_TRIALS", 6)), int(os.environ.get("KILLS", 4))
    process = start_study("digits_quick", f"n_trials={count}", *LONG, folder=home.parent)
    while not worker_pids(home):
        time.sleep(0.2)
        assert process.poll() is None, process.communicate()
    killed = kill_some(study_storage(home), home, process, kills)
    output, _ = process.communicate(timeout=3000)
    assert process.returncode == 0, output
    assert killed == kills
    assert_agreement(store, study_storage(home), "digits_quick", count)


def test_a_study_goes_on_to_the_same_total_after_everything_was_killed(
    home: Path, store: Store
) -> None:
    process = start_study("digits_quick", "n_trials=3", *LONG, folder=home.parent)
    until(lambda: list(home.glob("*/checkpoints/last.ckpt")), process)  # of the first of 30 epochs
    process.kill()
    for pid in worker_pids(home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert any(not t.state.is_finished() for t in trials_of(study_storage(home), "digits_quick"))
    again = start_study("digits_quick", "--resume", folder=home.parent)
    output, _ = again.communicate(timeout=900)
    assert again.returncode == 0, output
    assert_agreement(store, study_storage(home), "digits_quick", 3)


def test_the_trial_of_a_worker_that_stands_still_goes_on_in_another(
    home: Path, store: Store
) -> None:
    """The stopped worker can be killed, but it cannot say that it hangs."""
    process = start_study("digits_quick", "n_trials=2", *LONG, folder=home.parent)
    while not trials_of(study_storage(home), "digits_quick") if worker_pids(home) else True:
        time.sleep(0.5)
        assert process.poll() is None, process.communicate()
    os.kill(worker_pids(home)[0], signal.SIGSTOP)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert_agreement(store, study_storage(home), "digits_quick", 2)


def test_a_signal_while_the_best_trial_is_confirmed_is_one_line_and_it_is_done_later(
    home: Path, store: Store
) -> None:
    longer = (*LONG, "n_trials=1", "confirm.seeds=1")
    process = start_study("digits_quick", *longer, folder=home.parent)
    until(lambda: len(list(home.glob("*/checkpoints/last.ckpt"))) == 2, process)  # trial, confirm
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 143, output
    assert output.splitlines()[-1].startswith("multihead: interrupted;")
    assert "Traceback" not in output
    again = start_study("digits_quick", "--resume", folder=home.parent)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output
    kind = "tags.`multihead.kind` = 'confirm'"
    runs = store.client.search_runs([store.experiment_id("digits_quick")], kind)
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"]


def test_two_commands_on_an_empty_storage_share_one_study(home: Path, store: Store) -> None:
    both = [
        start_study("digits_quick", "n_trials=4", "workers=1", *SMALL, folder=home.parent)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=900)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert_agreement(store, study_storage(home), "digits_quick", 4)


def test_a_config_that_cannot_run_ten_times_stops_the_study_with_its_cause(
    home: Path, store: Store
) -> None:
    """A learning rate of 1e30 makes every loss infinite."""
    process = start_study(
        "digits_quick",
        "n_trials=30",
        "defaults=false",
        "workers=1",
        "space.model.optimizer.lr={low: 1.0e+30, high: 1.0e+31, log: true}",
        *SMALL,
        "trainer.max_epochs=2",
        folder=home.parent,
    )
    output, _ = process.communicate(timeout=900)
    assert "10 trials in a row failed with the same cause" in output
    assert "not finite" in output
    assert_agreement(store, study_storage(home), "digits_quick", 10)
