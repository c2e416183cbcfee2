"""Submit the jobs of a study with submitit, and check what they request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multihead import settings
from multihead.errors import ConfigError
from multihead.studies.definition import Definition
from multihead.studies.devices import threads
from multihead.studies.engines.choice import SubmititChoice
from multihead.studies.engines.submitit_job import WorkerJob
from multihead.workers import GRACE_SECONDS

# Time between Slurm's signal and the end of a job, for a checkpoint and the requeue.
SIGNAL_SECONDS = GRACE_SECONDS + 30
# submitit gives up a job after so many timeouts. Here the study's budget is the only limit.
_TIMEOUTS = 1_000_000


def check_submitit(definition: Definition) -> None:
    """Check, before a study is made, that its jobs can run.

    Raises:
        ConfigError: If submitit is not installed, or a job would use a fraction of a GPU.
    """
    gpu = definition.devices_per_worker.gpu
    _submitit()
    if gpu != int(gpu):
        raise ConfigError(
            f"devices_per_worker.gpu is {gpu:g}, but a job of Slurm has whole GPUs; give an "
            f"integer, 0 or more. engine=ray can share a GPU."
        )


def worker_job(definition: Definition, folder: Path, trusting: Mapping[str, str]) -> WorkerJob:
    """Return what each job runs.

    Args:
        definition: The study.
        folder: The folder for the files with which jobs report their state.
        trusting: Environment variables from `OpenStudy.told_to_workers`.
    """
    devices, choice = definition.devices_per_worker, definition.engine
    assert isinstance(choice, SubmititChoice)
    environment = dict(trusting) | ({"CUDA_VISIBLE_DEVICES": ""} if devices.gpu == 0 else {})
    cores = devices.cpu
    if choice.executor == "local" and cores is None:
        environment |= threads(definition.workers)
    return WorkerJob(definition.name, folder, environment, cores)


def make_executor(definition: Definition, folder: Path) -> Any:
    """Return submitit's executor, set up with the resources of the study's jobs.

    Raises:
        ConfigError: If submitit is not installed.
    """
    submitit = _submitit()
    choice, devices = definition.engine, definition.devices_per_worker
    assert isinstance(choice, SubmititChoice)
    if choice.executor == "local":
        local = submitit.LocalExecutor(folder, max_num_timeout=_TIMEOUTS)
        local.update_parameters(
            timeout_min=choice.minutes,
            signal_delay_s=SIGNAL_SECONDS,
            gpus_per_node=int(devices.gpu),
            setup=list(choice.setup),
        )
        return local
    asked: dict[str, Any] = {
        "job_name": definition.name,
        "time": choice.minutes,
        "signal_delay_s": SIGNAL_SECONDS,
        "array_parallelism": definition.workers,
        "setup": list(choice.setup),
        # Some sites do not requeue jobs by default.
        "additional_parameters": {"requeue": True, **choice.options},
    }
    if choice.partition is not None:
        asked["partition"] = choice.partition
    if devices.gpu:
        asked["gpus_per_node"] = int(devices.gpu)
    if devices.cpu:
        asked |= {"cpus_per_task": devices.cpu, "srun_args": [f"--cpus-per-task={devices.cpu}"]}
    executor = submitit.SlurmExecutor(folder, max_num_timeout=_TIMEOUTS)
    executor.update_parameters(**asked)
    return executor


def submit(executor: Any, job: WorkerJob, count: int, url: str) -> list[Any]:
    """Submit `count` jobs, as one array.

    Args:
        executor: Submitit's executor.
        job: What each job runs.
        count: Number of jobs.
        url: URL of the storage. The jobs inherit it in their environment; no file has it.

    Raises:
        ConfigError: If Slurm refuses the jobs. The message has its reason.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError, environment_variables

    try:
        with environment_variables(**{settings.STUDIES_VARIABLE: url}):
            return list(executor.submit_array([job] * count))
    except (FailedJobError, FailedSubmissionError) as error:
        raise ConfigError(
            f"Slurm refused the jobs: {' '.join(str(error).split())} Change what they request "
            f"with devices_per_worker, engine.partition, engine.minutes and engine.options."
        ) from error


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ConfigError(
            "engine submitit needs submitit: pip install 'multihead[slurm]'."
        ) from error
    return submitit
