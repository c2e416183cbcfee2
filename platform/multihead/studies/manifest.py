"""A Kubernetes Job whose pods work on a study.

Each pod runs the study's own command with one worker, as the containers of docker-compose.yml do:
the first pod makes the study, the others join it, and all end when its trials have.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from multihead import settings
from multihead.errors import ConfigError
from multihead.studies.definition import GROUP, Definition, load_definition
from multihead.studies.file import find_file

# A study's command gives its worker 60 s for a checkpoint (`workers.GRACE_SECONDS`), and
# records that it was interrupted; docker-compose.yml gives the same.
GRACE_SECONDS = 90
TOLD = 143  # exit code after SIGTERM, with a checkpoint written
_RETRIES = 6  # of Kubernetes itself, there for a Job of one pod
_CORES = 2
_USER = 1000  # APP_UID of the image
_SECRETS = {  # key of the Secret: whether it may be missing
    settings.STUDIES_VARIABLE: False,
    "MLFLOW_TRACKING_URI": False,
    "MLFLOW_TRACKING_USERNAME": True,
    "MLFLOW_TRACKING_PASSWORD": True,
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PASSWORD = re.compile(r"://[^/@:]*:[^/@]+@")
_QUANTITY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?")
_LABELS = {"app.kubernetes.io/name": "multihead", "app.kubernetes.io/component": "worker"}


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


def manifests(
    name: str, arguments: Sequence[str], workers: int, place: Place, *, resume: bool = False
) -> list[dict[str, Any]]:
    """Return the Job of a study and, if its file is none of the image's, a ConfigMap with it.

    Args:
        name: Of the study's file, or its path.
        arguments: `key=value`, as for `multihead study`.
        workers: Number of pods.
        place: What pods find in the cluster.
        resume: Go on with a study that is there, to the number of trials given now.

    Raises:
        ConfigError: If the study is none, or cannot run in pods.
    """
    definition = load_definition(name, arguments)
    _check(definition, arguments)
    path = find_file(name, GROUP, "study")
    shipped = path.resolve().is_relative_to(settings.packaged("studies").resolve())
    title = _title(definition.name)
    job = _job(definition, title, workers, place)
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    file = path.stem if shipped else f"/study/{path.name}"
    container["args"] = ["study", file, *arguments, *_settled(definition)]
    container["args"] += ["--resume"] if resume else []
    if shipped:
        return [job]
    container["volumeMounts"].append({"name": "study", "mountPath": "/study", "readOnly": True})
    pod["volumes"].append({"name": "study", "configMap": {"name": title}})
    return [_file(path, title, place), job]


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


def _settled(definition: Definition) -> list[str]:
    """Return the keys that a pod settles: one worker, with what the pod has."""
    devices = definition.devices_per_worker
    cores = devices.cpu or _CORES
    return [
        "engine=local",
        "workers=1",
        f"devices_per_worker={{gpu: {int(devices.gpu)}, cpu: {cores}}}",
    ]


def _title(study: str) -> str:
    """Return a name for Kubernetes; pods add a suffix to it."""
    plain = re.sub(r"[^a-z0-9]+", "-", f"multihead-{study}".lower())
    return plain[:50].strip("-")


def _metadata(title: str, place: Place) -> dict[str, Any]:
    there = {} if place.namespace is None else {"namespace": place.namespace}
    return {"name": title, **there, "labels": dict(_LABELS)}


def _file(path: Path, title: str, place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(title, place),
        "data": {path.name: path.read_text(encoding="utf-8")},
    }


def _job(definition: Definition, title: str, workers: int, place: Place) -> dict[str, Any]:
    told = {"containerName": "worker", "operator": "In", "values": [TOLD]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(title, place) | {"annotations": {"multihead/study": definition.name}},
        "spec": {
            "parallelism": workers,
            "completions": workers,
            "completionMode": "NonIndexed",
            "backoffLimit": _RETRIES * workers,
            # A pod that was told to go has done all it could, whoever told it.
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                    {"action": "Ignore", "onExitCodes": told},
                ]
            },
            "podReplacementPolicy": "Failed",  # not while the last one writes its checkpoint
            "template": {
                "metadata": {"labels": dict(_LABELS)},
                "spec": _pod(definition, place),
            },
        },
    }


def _pod(definition: Definition, place: Place) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service called mlflow would set MLFLOW_PORT
        "shareProcessNamespace": True,  # so that somebody buries processes without a parent
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(definition, place)],
        "volumes": [
            {"name": "runs", "persistentVolumeClaim": {"claimName": place.runs}},
            {"name": "data", "persistentVolumeClaim": {"claimName": place.data, "readOnly": True}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
        ],
    }


def _container(definition: Definition, place: Place) -> dict[str, Any]:
    devices = definition.devices_per_worker
    limits: dict[str, Any] = {"memory": place.memory}
    if devices.gpu:
        limits["nvidia.com/gpu"] = int(devices.gpu)
    secrets = [
        {
            "name": name,
            "valueFrom": {
                "secretKeyRef": {"name": place.secret, "key": name, "optional": optional}
            },
        }
        for name, optional in _SECRETS.items()
    ]
    return {
        "name": "worker",
        "image": place.image,
        "command": ["multihead"],
        "args": [],
        "workingDir": "/runs",
        "env": [
            {"name": settings.HOME_VARIABLE, "value": "/runs"},
            {"name": settings.DATA_VARIABLE, "value": "/data"},
            *secrets,
        ],
        "resources": {
            "requests": {"cpu": devices.cpu or _CORES, "memory": place.memory},
            "limits": limits,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "runs", "mountPath": "/runs"},
            {"name": "data", "mountPath": "/data", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }


def text_of(documents: Sequence[dict[str, Any]], place: Place) -> str:
    """Return manifests as YAML, after what they need in the cluster."""
    head = (
        f"# Needs the claims {place.runs} (ReadWriteMany) and {place.data}, and a Secret:\n"
        f"#   kubectl create secret generic {place.secret} --from-env-file=FILE\n"
        f"# with the lines {', '.join(f'{name}=' for name in list(_SECRETS)[:2])} and, if MLflow "
        f"asks,\n# {', '.join(f'{name}=' for name in list(_SECRETS)[2:])}\n"
    )
    body: str = yaml.safe_dump_all(documents, sort_keys=False, width=100)
    return head + body
