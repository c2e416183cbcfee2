"""What a study's jobs ask for, and what cannot be had on a cluster."""

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

# Between Slurm's signal and the end of a job's time: a checkpoint, and a requeue.
SIGNAL_SECONDS = GRACE_SECONDS + 30
# submitit gives up on a job that ran out of time this often. The study's budget is the limit here.
_TIMEOUTS = 1_000_000


def check_submitit(definition: Definition) -> None:
    """Find out before a study is made what its jobs could not do.

    Raises:
        ConfigError: If there is no submitit, or a job would take a part of a GPU.
    """
    gpu = definition.devices_per_worker.gpu
    _submitit()
    if gpu != int(gpu):
        raise ConfigError(
            f"devices_per_worker.gpu is {gpu:g}, but a job of Slurm has whole GPUs; give 0, 1 or "
            f"more. engine=ray shares them."
        )


def worker_job(definition: Definition, folder: Path, trusting: Mapping[str, str]) -> WorkerJob:
    """Return what each job runs.

    Args:
        definition: The study.
        folder: Where jobs leave word of themselves.
        trusting: See `OpenStudy.told_to_workers`.
    """
    devices, choice = definition.devices_per_worker, definition.engine
    assert isinstance(choice, SubmititChoice)
    environment = dict(trusting) | ({"CUDA_VISIBLE_DEVICES": ""} if devices.gpu == 0 else {})
    cores = devices.cpu
    if choice.executor == "local" and cores is None:
        environment |= threads(definition.workers)
    return WorkerJob(definition.name, folder, environment, cores)


def make_executor(definition: Definition, folder: Path) -> Any:
    """Return submitit's executor with what a job of the study asks for.

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
        # A site may have it that jobs are not requeued, unless they say so.
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
        executor: Of submitit.
        job: What each runs.
        count: How many.
        url: Of the storage; the jobs inherit it in their environment, it is in no file of theirs.

    Raises:
        ConfigError: If Slurm refuses them, with its reason.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError, environment_variables

    try:
        with environment_variables(**{settings.STUDIES_VARIABLE: url}):
            return list(executor.submit_array([job] * count))
    except (FailedJobError, FailedSubmissionError) as error:
        raise ConfigError(
            f"Slurm refused the jobs: {' '.join(str(error).split())} They ask for what "
            f"devices_per_worker, engine.partition, engine.minutes and engine.options say."
        ) from error


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ConfigError(
            "engine submitit needs submitit: pip install 'multihead[slurm]'."
        ) from error
    return submitit
