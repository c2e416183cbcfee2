"""The resources that each worker requests from a Ray cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multihead.errors import ConfigError
from multihead.studies.definition import Definition
from multihead.studies.devices import GPU_SHARE_VARIABLE, threads
from multihead.studies.engines.choice import RayChoice


@dataclass(frozen=True)
class Ask:
    """Resources of one worker, in Ray's units.

    Attributes:
        cpu: Number of cores.
        gpu: Number of GPUs; below 1, a fraction of one.
        environment: Environment variables for the worker's share. Ray itself sets which GPUs it
            uses.
    """

    cpu: int
    gpu: float
    environment: Mapping[str, str]


def ask(definition: Definition, nodes: Sequence[Mapping[str, Any]]) -> Ask:
    """Return the resources to request. As without Ray, GPUs are requested only if there are any.

    Args:
        definition: The study.
        nodes: The nodes of the cluster, from `ray.nodes`.

    Raises:
        ConfigError: If no node has enough, so that a worker would never start.
    """
    devices, choice = definition.devices_per_worker, definition.engine
    assert isinstance(choice, RayChoice)
    has = [node["Resources"] for node in nodes if node["Alive"]]
    cpu = devices.cpu or 1
    gpu = devices.gpu if devices.gpu < 1 else float(int(devices.gpu))  # Ray shares one GPU, not two
    if choice.address is None:
        environment = threads(definition.workers, devices.cpu)
    else:
        environment = threads(1, cpu)
    if gpu == 0:
        environment |= {"CUDA_VISIBLE_DEVICES": ""}
    elif any(node.get("GPU", 0) for node in has):
        environment |= {GPU_SHARE_VARIABLE: str(min(1.0, gpu))}
    else:
        gpu = 0.0
    if not any(node.get("CPU", 0) >= cpu and node.get("GPU", 0) >= gpu for node in has):
        nodes_have = ", ".join(
            sorted({f"{n.get('GPU', 0):g} GPUs and {n.get('CPU', 0):g} cores" for n in has})
        )
        raise ConfigError(
            f"devices_per_worker asks for {gpu:g} GPUs and {cpu} cores for a worker, which no "
            f"node of the Ray cluster has; they have {nodes_have}."
        )
    return Ask(cpu, gpu, environment)
