"""Write a Kubernetes Job whose pods work on a study.

Each pod runs the study's own command with one worker, like the containers of docker-compose.yml.
The first pod makes the study and the others join it. All pods end when all trials have ended.

The template of the Job is `templates/job.yaml.j2`. Each value is inserted as a YAML scalar, so no
value can change the structure of the manifest.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from multihead import settings
from multihead.errors import ConfigError
from multihead.studies.definition import GROUP, Definition, load_definition
from multihead.studies.file import find_file

# A study's command gives its worker 60 s for a checkpoint (`workers.GRACE_SECONDS`), and then
# records the interruption. docker-compose.yml has the same grace period.
GRACE_SECONDS = 90
_RETRIES = 6  # per pod: Kubernetes' default for a Job of one pod
_CORES = 2
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PASSWORD = re.compile(r"://[^/@:]*:[^/@]+@")
_QUANTITY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?")
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Place:
    """The resources of the cluster that pods use.

    Attributes:
        image: The image for training, built by `docker compose build image`.
        secret: A Secret with the addresses of the storage and of MLflow.
        runs: A PersistentVolumeClaim that all pods write to, for `MULTIHEAD_HOME`.
        data: A PersistentVolumeClaim with data sets, which pods only read.
        memory: Memory of each pod, as Kubernetes writes it, such as 8Gi.
        namespace: The namespace of the Job. If None, it is kubectl's.

    Raises:
        ConfigError: If Kubernetes would refuse a name or an amount.
    """

    image: str
    secret: str
    runs: str
    data: str
    memory: str
    namespace: str | None = None

    def __post_init__(self) -> None:
        for name in (self.secret, self.runs, self.data, self.namespace or self.secret):
            if not _NAME.fullmatch(name):
                raise ConfigError(
                    f"{name!r} is no name in Kubernetes; a name has 1 to 63 of a-z, 0-9 and -."
                )
        if not _QUANTITY.fullmatch(self.memory):
            raise ConfigError(
                f"memory {self.memory!r} is no amount in Kubernetes; write it like 8Gi or 500Mi."
            )


def manifest(
    name: str, arguments: Sequence[str], workers: int, place: Place, *, resume: bool = False
) -> str:
    """Return the Job of a study, with a ConfigMap of the study's file if it is not in the image.

    Args:
        name: Name of the study's file, or its path.
        arguments: `key=value`, as for `multihead study`.
        workers: Number of pods.
        place: The resources of the cluster that pods use.
        resume: Resume an existing study, up to the number of trials given now.

    Returns:
        YAML. A comment at its top says what the cluster must have.

    Raises:
        ConfigError: If the study's file is wrong, or the study cannot run in pods.
    """
    definition = load_definition(name, arguments)
    _check(definition, arguments)
    path = find_file(name, GROUP, "study")
    shipped = path.resolve().is_relative_to(settings.packaged("studies").resolve())
    gpus = int(definition.devices_per_worker.gpu)
    cores = definition.devices_per_worker.cpu or _CORES
    # In a pod, the command runs one worker, which has all devices of the pod.
    devices = f"devices_per_worker={{gpu: {gpus}, cpu: {cores}}}"
    settled = ["engine=local", "workers=1", devices, *(["--resume"] if resume else [])]
    file = path.stem if shipped else f"/study/{path.name}"
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        finalize=_scalar,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("job.yaml.j2").render(
        study=definition.name,
        title=_title(definition.name),
        file=None if shipped else path,
        arguments=["study", file, *arguments, *settled],
        workers=workers,
        retries=_RETRIES * workers,
        grace=GRACE_SECONDS,
        cores=cores,
        gpus=gpus,
        place=place,
    )


def _scalar(value: Any) -> str:
    """Return a value as YAML on one line, text in quotation marks."""
    style = '"' if isinstance(value, str) else None
    text: str = yaml.safe_dump(value, default_style=style, width=sys.maxsize)
    return text.removesuffix("\n").removesuffix("\n...")


def _check(definition: Definition, arguments: Sequence[str]) -> None:
    if definition.storage is not None:
        raise ConfigError(
            f"the key storage may hold a password, so pods read the address from the Secret, as "
            f"{settings.STUDIES_VARIABLE}; remove the key."
        )
    if any(_PASSWORD.search(argument) for argument in arguments):
        raise ConfigError(
            "an argument has an address with a password, which the manifest would show; remove it."
        )
    if any(argument.partition("=")[0] == "workers" for argument in arguments):
        raise ConfigError("in a cluster, workers is the number of pods; give --workers instead.")
    gpu = definition.devices_per_worker.gpu
    if gpu != int(gpu):
        raise ConfigError(
            f"devices_per_worker.gpu is {gpu:g}, but a pod has whole GPUs; give an integer, 0 or "
            f"more. engine=ray can share a GPU."
        )


def _title(study: str) -> str:
    """Return a name for Kubernetes, short enough for the suffix that pods add."""
    plain = re.sub(r"[^a-z0-9]+", "-", f"multihead-{study}".lower())
    return plain[:50].strip("-")
