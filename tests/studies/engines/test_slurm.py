"""Workers as jobs of a real Slurm, told to go by Slurm itself."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import postgres, postgres_programs
from tests.slurm import slurm, why_no_slurm
from tests.studies.conftest import LONG, SMALL, assert_agreement, start_study, trials_of, until
from tests.tracking.faults import Server

from multihead.studies.lease import rows_of
from multihead.studies.storage import StudyStorage
from multihead.tracking.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_no_slurm() is not None, reason=str(why_no_slurm())),
    pytest.mark.skipif(postgres_programs() is None, reason="there is no PostgreSQL here"),
]
STUDY = "digits_quick"
SLURM = ("engine=submitit", "engine.partition=low", "devices_per_worker={gpu: 0, cpu: 1}")


@pytest.fixture
def cluster(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster of two CPUs, with a database and an MLflow server; yields the storage's URL."""
    with postgres() as database, slurm(cpus=2) as clients:
        for name, value in clients.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "server").mkdir()
        server = Server(tmp_path / "server")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        monkeypatch.setenv("MULTIHEAD_STUDY_STORAGE", database.url)
        try:
            yield database.url
        finally:
            server.kill()


def _queue() -> list[str]:
    asked = ["squeue", "--noheader", "--array", "--partition=low", "--format=%i %T %r"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()


def _attempts(url: str) -> list[tuple[int, int]]:
    storage = StudyStorage(url)
    try:
        return [(row.attempt, row.lost) for row in rows_of(storage, STUDY)]
    finally:
        storage.close()


def test_a_study_on_slurm_survives_preemption_and_a_killed_command(
    home: Path, cluster: str
) -> None:
    """Slurm tells the jobs, they write checkpoints, it requeues them; no trial is lost by that."""
    process = start_study(STUDY, "n_trials=4", "workers=2", *SLURM, *LONG, folder=home.parent)
    until(lambda: len(list(home.glob("*/checkpoints/last.ckpt"))) == 2, process)
    first = {line.split()[0] for line in _queue()}
    process.kill()
    process.communicate()
    high = ["sbatch", "--partition=high", "--cpus-per-task=2", "--output=/dev/null"]
    subprocess.run([*high, "--wrap=sleep 1"], check=True, capture_output=True)
    until(lambda: all("PENDING" in line for line in _queue()))
    assert {line.split()[0] for line in _queue()} == first
    assert len(_attempts(cluster)) == 2
    again = start_study(STUDY, "--resume", folder=home.parent)
    output, _ = again.communicate(timeout=900)
    assert again.returncode == 0, output
    assert_agreement(Store(home=home), cluster, STUDY, 4)
    assert all(lost == 0 for _, lost in _attempts(cluster))
    assert sorted(attempt for attempt, _ in _attempts(cluster)) == [1, 1, 2, 2]
    assert not _queue()


def test_a_job_near_its_time_limit_goes_on_once_requeued_and_ctrl_c_ends_all(
    home: Path, cluster: str
) -> None:
    process = start_study(STUDY, "n_trials=9", "workers=3", *SLURM, *LONG, folder=home.parent)
    until(lambda: list(home.glob("*/checkpoints/last.ckpt")), process)
    running = [line.split()[0] for line in _queue() if "RUNNING" in line]
    assert len(running) == 2, "one of three waits for a CPU"
    subprocess.run(["scancel", "--signal=USR2", running[0]], check=True)  # as at the limit
    until(lambda: any(line.startswith(running[0]) and "PENDING" in line for line in _queue()))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert not _queue()
    assert all(lost == 0 for _, lost in _attempts(cluster))
    folder = home / "workers" / f"{STUDY}-jobs"
    said = "".join(path.read_text() for path in folder.glob("*_0_log.*"))
    assert said.count("Requeued job") == 1
    assert all(t.state.name != "FAIL" for t in trials_of(cluster, STUDY))


def test_what_slurm_refuses_is_said_in_one_line(home: Path, cluster: str) -> None:
    wrong = [*SLURM, "engine.partition=gpu", *SMALL]
    process = start_study(STUDY, *wrong, folder=home.parent)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "invalid partition specified: gpu" in output
    assert "Traceback" not in output
    assert os.environ["SLURM_CONF"] not in output
