"""What each worker asks a Ray cluster for, and whether the cluster can ever give it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multihead.errors import ConfigError
from multihead.studies.definition import Definition
from multihead.studies.devices import GPU_SHARE_VARIABLE, threads
from multihead.studies.engines.choice import RayChoice


@dataclass(frozen=True)
class Ask:
    """Resources of one worker, in Ray's words.

    Attributes:
        cpu: Cores.
        gpu: GPUs; below 1, a share of one.
        environment: What tells the worker its share; Ray tells which GPUs they are.
    """

    cpu: int
    gpu: float
    environment: Mapping[str, str]


def ask(definition: Definition, nodes: Sequence[Mapping[str, Any]]) -> Ask:
    """Return what to ask for; GPUs only where there are any, as on one machine without Ray.

    Args:
        definition: The study.
        nodes: Of the cluster, as `ray.nodes` returns them.

    Raises:
        ConfigError: If no node has as much, so that waiting would not help.
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
