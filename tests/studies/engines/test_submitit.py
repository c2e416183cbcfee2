"""Workers as jobs of submitit: what its local executor does, and what Slurm would be given."""

import os
import platform
import shlex
import signal
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError
from tests.conftest import multihead
from tests.studies.conftest import LONG, Define, assert_agreement, start_study, until

from multihead.errors import ConfigError, StoreError
from multihead.settings import study_storage
from multihead.studies.engines.checks import check_engine
from multihead.studies.engines.submission import make_executor, submit, worker_job
from multihead.studies.lease import rows_of
from multihead.studies.storage import StudyStorage
from multihead.tracking.store import Store

STUDY = "digits_quick"
LOCAL = ("engine=submitit", "engine.executor=local", "devices_per_worker=0")
SECRET = "postgresql+psycopg://me:geheim@db.example/studies"


@pytest.fixture
def slurm_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of Slurm's names on the PATH; `sbatch` keeps what it is given."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("srun", "squeue", "scancel", "sbatch", "sinfo"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    (folder / "sbatch").write_text(
        f'#!/bin/sh\ncp "$1" {folder}/script\nenv > {folder}/env\n'
        f'echo "$@" > {folder}/command\necho Submitted batch job 77\n'
    )
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def _tasks(home: Path) -> list[psutil.Process]:
    """Return the job processes of the study."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if "submitit.core._submit" in line and str(home) in line:
            found.append(process)
    return found


def _workers(home: Path) -> list[psutil.Process]:
    return [child for task in _tasks(home) for child in task.children()]


def _checkpoints(home: Path) -> list[Path]:
    return list(home.glob("*/checkpoints/last.ckpt"))


def test_the_script_asks_slurm_for_what_the_study_says_and_holds_no_secret(
    define: Define, tmp_path: Path, slurm_programs: Path
) -> None:
    engine = {"name": "submitit", "minutes": 90, "partition": "gpu", "setup": ["module load cuda"]}
    engine["options"] = {"account": "lab", "mem": "16G", "exclusive": True}
    definition = define(workers=3, devices_per_worker={"gpu": 2, "cpu": 4}, engine=engine)
    folder = tmp_path / "jobs"
    job = worker_job(definition, folder, {})
    jobs = submit(make_executor(definition, folder), job, 3, SECRET)
    assert [job.job_id for job in jobs] == ["77_0", "77_1", "77_2"]
    script = (slurm_programs / "script").read_text()
    asked = [line.removeprefix("#SBATCH --") for line in script.splitlines() if "#SBATCH" in line]
    assert {
        *("array=0-2%3", "time=90", "partition=gpu", "gpus-per-node=2", "cpus-per-task=4"),
        *("signal=USR2@90", "requeue", "account=lab", "mem=16G", "exclusive", "open-mode=append"),
    } <= set(asked)
    assert "module load cuda" in script
    srun = next(line for line in script.splitlines() if line.startswith("srun"))
    assert "--cpus-per-task=4" in shlex.split(srun)
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(written) >= 4
    assert not any(b"geheim" in content for content in written)
    assert "geheim" not in (slurm_programs / "command").read_text()
    assert f"MULTIHEAD_STUDY_STORAGE={SECRET}" in (slurm_programs / "env").read_text()


def test_what_sbatch_refuses_is_one_error_with_its_reason(
    define: Define, tmp_path: Path, slurm_programs: Path
) -> None:
    (slurm_programs / "sbatch").write_text("#!/bin/sh\necho 'invalid partition: gpu' >&2; exit 1\n")
    definition = define(engine={"name": "submitit", "partition": "gpu"})
    executor = make_executor(definition, tmp_path / "jobs")
    with pytest.raises(ConfigError, match=r"invalid partition: gpu.*engine\.partition"):
        submit(executor, worker_job(definition, tmp_path / "jobs", {}), 2, SECRET)


def test_a_part_of_a_gpu_is_refused_on_slurm(
    define: Define, store: Store, slurm_programs: Path
) -> None:
    definition = define(engine="submitit", devices_per_worker=0.5)
    with pytest.raises(ConfigError, match=r"0\.5, but a job of Slurm has whole GPUs"):
        check_engine(definition, store)


def test_what_only_this_machine_has_is_refused_where_slurm_has_others(
    define: Define, store: Store, slurm_programs: Path
) -> None:
    here = platform.node().split(".")[0]
    sinfo = slurm_programs / "sinfo"
    sinfo.write_text(f'#!/bin/sh\necho "$@" > {slurm_programs}/asked\necho {here}\n')
    definition = define(engine={"name": "submitit", "partition": "gpu"})
    check_engine(definition, store)
    assert "--partition=gpu" in (slurm_programs / "asked").read_text()
    sinfo.write_text(f"#!/bin/sh\necho {here}.example\necho node7\n")
    with pytest.raises(ConfigError, match=r"Slurm has several machines.* storage sqlite:///"):
        check_engine(definition, store)
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI sqlite:///"):
        check_engine(define(engine="submitit", storage=SECRET), store)
    server = Store("http://mlflow.example:5000", store.home)
    check_engine(define(engine="submitit", storage=SECRET), server)


def test_a_slurm_that_does_not_answer_is_named_before_a_study_is_made(
    define: Define, store: Store, slurm_programs: Path
) -> None:
    (slurm_programs / "sinfo").write_text("#!/bin/sh\necho 'Unable to contact' >&2; exit 1\n")
    with pytest.raises(StoreError, match="Slurm does not answer: Unable to contact"):
        check_engine(define(engine="submitit"), store)


def test_without_slurm_nothing_is_made(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = multihead(["study", STUDY, "engine=submitit"], folder=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "needs sbatch on the PATH" in done.stderr
    assert sorted(path.name for path in home.iterdir()) == ["mlflow.db"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"array": "0-9"}, "array is set by the study"),
        ({"cpus_per_task": 4}, "cpus_per_task is set by the study"),
        ({"mem": "1G\nrm -r x"}, "on one line"),
        ({"--mem": "1G"}, "--mem is not an option"),
        ({"exclusive": False}, "options.exclusive"),
    ],
)
def test_options_that_sbatch_cannot_have_are_refused(
    options: dict[str, object], why: str, define: Define
) -> None:
    with pytest.raises(ValidationError, match=why):
        define(engine={"name": "submitit", "options": options})


@pytest.mark.slow(minutes=1)
def test_a_preempted_job_is_requeued_once_and_its_trial_goes_on_from_the_checkpoint(
    home: Path, store: Store
) -> None:
    arguments = (STUDY, "n_trials=2", "workers=1", "pruner=none", *LOCAL, *LONG)
    process = start_study(*arguments, folder=home.parent)
    until(lambda: _checkpoints(home), process)
    (task,) = _tasks(home)
    task.send_signal(signal.SIGUSR2)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert_agreement(store, study_storage(home), STUDY, 2)
    storage = StudyStorage(study_storage(home))
    attempts = [(row.attempt, row.lost) for row in rows_of(storage, STUDY)]
    storage.close()
    assert sorted(attempts) == [(1, 0), (2, 0)]
    (log,) = (home / "workers" / f"{STUDY}-jobs").glob("*_0_log.out")
    said = log.read_text() + log.with_suffix(".err").read_text()
    assert said.count("Requeued job") == 1
    for run in store.client.search_runs([store.experiment_id(STUDY)]):
        if run.data.tags["multihead.kind"] == "trial":
            points = store.client.get_metric_history(run.info.run_id, "val/digit_acc")
            steps = [point.step for point in points]
            assert len(steps) == len(set(steps)) >= 10, "an epoch was trained twice"


@pytest.mark.slow(minutes=1)
def test_jobs_outlive_the_command_and_the_next_one_watches_them(home: Path, store: Store) -> None:
    """A job that is killed as well is replaced, and no other is started."""
    process = start_study(STUDY, "n_trials=2", "workers=2", *LOCAL, *LONG, folder=home.parent)
    until(lambda: len(_workers(home)) == 2 and _checkpoints(home), process)
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()  # the jobs hold its other end
    killed, other = _tasks(home)
    for part in [*killed.children(), killed]:
        part.kill()
    again = start_study(STUDY, "--resume", folder=home.parent)
    output, _ = again.communicate(timeout=900)
    assert again.returncode == 0, output
    assert_agreement(store, study_storage(home), STUDY, 2)
    started = list((home / "workers" / f"{STUDY}-jobs").glob("*_0_log.out"))
    assert len(started) <= 3, "the next command started jobs that were there"
    assert not _tasks(home)
    assert other.pid != killed.pid


@pytest.mark.slow(minutes=1)
def test_neither_ctrl_c_nor_stop_leaves_a_job_or_loses_a_trial(home: Path, store: Store) -> None:
    arguments = ("n_trials=3", "workers=1", *LOCAL, *LONG)
    process = start_study(STUDY, *arguments, folder=home.parent)
    until(lambda: _checkpoints(home), process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert not _tasks(home)
    assert not list((home / "workers" / f"{STUDY}-jobs").glob("*_submitted.pkl"))
    again = start_study(STUDY, "--resume", folder=home.parent)
    until(lambda: _workers(home), again)
    stopped = multihead(["study", STUDY, "--stop"], folder=home.parent)
    assert stopped.returncode == 0, stopped.stderr
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output
    assert "stopped: asked to stop" in output
    assert not _tasks(home)
    storage = StudyStorage(study_storage(home))
    assert all(row.lost == 0 for row in rows_of(storage, STUDY))
    storage.close()
