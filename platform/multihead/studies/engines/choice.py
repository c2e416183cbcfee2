"""The key `engine` of a study: which engine, and its settings."""

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
    """Processes of this machine."""

    name: Literal["local"] = "local"

    @property
    def tells(self) -> list[str]:
        """Which keys say what else runs, or where workers go."""
        return []


class RayChoice(_Strict):
    """Actors of a Ray cluster.

    Attributes:
        address: `host:port` of the cluster's head node, `auto` for the cluster that this machine
            belongs to; one is started on this machine, for as long as the command runs, if none.
    """

    name: Literal["ray"]
    address: str | None = None

    @property
    def tells(self) -> list[str]:
        """Which keys say what else runs, or where workers go."""
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
    """An array of Slurm jobs.

    Attributes:
        executor: `slurm`, or `local` for processes of this machine that submitit starts.
        minutes: Time limit of a job; a job that reaches it is requeued and goes on. Two of them are
            for its start and for its last checkpoint.
        partition: Where the jobs run; the cluster's default if none.
        setup: Shell lines before a worker starts, such as `module load cuda`.
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
        """Which keys say what else runs, or where workers go."""
        return [key for key in ("setup", "options") if getattr(self, key)]

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, str | int]) -> dict[str, str | int]:
        for name, value in options.items():
            if not _OPTION.fullmatch(name) or "\n" in str(value):
                raise ValueError(f"{name} is no option of sbatch with its value on one line")
            if name.replace("_", "-") in _OURS:
                raise ValueError(f"{name} is set by the study: {_OURS_BY}")
        return options


EngineChoice = Annotated[LocalChoice | RayChoice | SubmititChoice, Field(discriminator="name")]
