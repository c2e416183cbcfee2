"""A Kubernetes Job whose pods work on a study.

Each pod runs the study's own command with one worker, as the containers of docker-compose.yml do:
the first pod makes the study, the others join it, and all end when its trials have. The Job is
`templates/job.yaml.j2`; each value in it is written as YAML, so that it stays in its place.
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

# A study's command gives its worker 60 s for a checkpoint (`workers.GRACE_SECONDS`), and
# records that it was interrupted; docker-compose.yml gives the same.
GRACE_SECONDS = 90
_RETRIES = 6  # of Kubernetes itself, there for a Job of one pod
_CORES = 2
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PASSWORD = re.compile(r"://[^/@:]*:[^/@]+@")
_QUANTITY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?")
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Place:
    """What pods find in the cluster.

    Attributes:
        image: That of trainers, built by `docker compose build image`.
        secret: A Secret with the addresses of the storage and of MLflow.
        runs: A PersistentVolumeClaim that all pods write to, for `MULTIHEAD_HOME`.
        data: A PersistentVolumeClaim with data sets, which pods only read.
        memory: Of each pod, as Kubernetes writes it, such as 8Gi.
        namespace: Where the Job is made; that of kubectl if none.

    Raises:
        ConfigError: For names and amounts that Kubernetes would refuse.
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
                    f"{name!r} is no name in Kubernetes; it has 1 to 63 of a-z, 0-9 and -."
                )
        if not _QUANTITY.fullmatch(self.memory):
            raise ConfigError(f"memory {self.memory!r} is no amount; write it like 8Gi or 500Mi.")


def manifest(
    name: str, arguments: Sequence[str], workers: int, place: Place, *, resume: bool = False
) -> str:
    """Return the Job of a study and, if its file is none of the image's, a ConfigMap with it.

    Args:
        name: Of the study's file, or its path.
        arguments: `key=value`, as for `multihead study`.
        workers: Number of pods.
        place: What pods find in the cluster.
        resume: Go on with a study that is there, to the number of trials given now.

    Returns:
        YAML, after a comment on what it needs in the cluster.

    Raises:
        ConfigError: If the study is none, or cannot run in pods.
    """
    definition = load_definition(name, arguments)
    _check(definition, arguments)
    path = find_file(name, GROUP, "study")
    shipped = path.resolve().is_relative_to(settings.packaged("studies").resolve())
    gpus = int(definition.devices_per_worker.gpu)
    cores = definition.devices_per_worker.cpu or _CORES
    # What a pod settles: one worker, with what the pod has.
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
            f"storage may hold a password, so pods have it from the Secret, as "
            f"{settings.STUDIES_VARIABLE}; leave the key out."
        )
    if any(_PASSWORD.search(argument) for argument in arguments):
        raise ConfigError("an address with a password would stand in the manifest; leave it out.")
    if any(argument.partition("=")[0] == "workers" for argument in arguments):
        raise ConfigError("workers is the number of pods here; give --workers.")
    gpu = definition.devices_per_worker.gpu
    if gpu != int(gpu):
        raise ConfigError(
            f"devices_per_worker.gpu is {gpu:g}, but a pod has whole GPUs; give 0, 1 or more. "
            f"engine=ray shares them."
        )


def _title(study: str) -> str:
    """Return a name for Kubernetes; pods add a suffix to it."""
    plain = re.sub(r"[^a-z0-9]+", "-", f"multihead-{study}".lower())
    return plain[:50].strip("-")
