"""The key `engine` of a study: the engine and its settings."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

_OPTION = re.compile(r"[a-z][a-z0-9_-]*")
_OURS = {"array", "signal", "output", "error", "open-mode", "requeue", "no-requeue", "job-name"}
_OURS |= {"time", "partition", "nodes", "ntasks", "ntasks-per-node", "cpus-per-task", "export"}
_OURS |= {"gpus-per-node", "wrap"}
_OURS_BY = "see workers, devices_per_worker, engine.minutes and engine.partition"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalChoice(_Strict):
    """Workers are processes of this machine."""

    name: Literal["local"] = "local"

    @property
    def tells(self) -> list[str]:
        """The given keys that run other commands, or set where workers run."""
        return []


class RayChoice(_Strict):
    """Workers are actors of a Ray cluster.

    Attributes:
        address: `host:port` of the cluster's head node, or `auto` for the cluster that this
            machine belongs to. If None, a cluster is started on this machine for the duration of
            the command.
    """

    name: Literal["ray"]
    address: str | None = None

    @property
    def tells(self) -> list[str]:
        """The given keys that run other commands, or set where workers run."""
        return ["address"] if self.address not in (None, "auto") else []

    @field_validator("address")
    @classmethod
    def _reachable(cls, address: str | None) -> str | None:
        host, _, port = (address or "auto").rpartition(":")
        if address in (None, "auto") or (host and "/" not in host and port.isdecimal()):
            return address
        raise ValueError(
            "give host:port of the cluster's head node, or auto for the cluster that this machine "
            "belongs to"
        )


class SubmititChoice(_Strict):
    """Workers are an array of Slurm jobs.

    Attributes:
        executor: `slurm`, or `local` for processes of this machine that submitit starts.
        minutes: Time limit of a job, 4 or more. A job that reaches it is requeued and goes on. Two
            minutes of it are for the start and the last checkpoint.
        partition: The partition of the jobs; the cluster's default if None.
        setup: Shell lines to run before a worker starts, such as `module load cuda`.
        options: Further options of sbatch, by name without dashes.
    """

    name: Literal["submitit"]
    executor: Literal["slurm", "local"] = "slurm"
    minutes: int = Field(default=240, ge=4)
    partition: str | None = None
    setup: tuple[str, ...] = ()
    options: dict[str, str | StrictInt | Literal[True]] = Field(default_factory=dict)

    @property
    def tells(self) -> list[str]:
        """The given keys that run other commands, or set where workers run."""
        return [key for key in ("setup", "options") if getattr(self, key)]

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, str | int]) -> dict[str, str | int]:
        for name, value in options.items():
            if not _OPTION.fullmatch(name) or "\n" in str(value):
                raise ValueError(f"{name} is not an option of sbatch with its value on one line")
            if name.replace("_", "-") in _OURS:
                raise ValueError(f"{name} is set by the study: {_OURS_BY}")
        return options


EngineChoice = Annotated[LocalChoice | RayChoice | SubmititChoice, Field(discriminator="name")]
