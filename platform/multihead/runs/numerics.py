"""Record and restore the settings of the machine that influence rounding ("numerics").

The last digits of a sum depend on the order of its terms. This order depends on the number of
threads, the precision, the memory format and the instructions of the processor. So all of these are
in a run's record and in its checkpoints, under the names of the record's tags. A resumed run uses
the recorded values if this machine has them, and reports those that differ.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from multihead.pools import cores
from multihead.runs.build import Parts
from multihead.runs.devices import devices_of
from multihead.runs.sections import RunConfig
from multihead.tracking import facts
from multihead.training.checkpoints import RECORD
from multihead.training.hardware import cpu_capability, has_precision

Numerics = Mapping[str, str]  # by tag of the record
PRECISION, MEMORY_FORMAT, DEVICE = "precision", "memory_format", "hardware.device"
THREADS, PROCESSES = "hardware.threads", "world_size"  # threads of each process
ENVIRONMENT_FILE = "environment.json"
# Names for messages. The last four apply to either GPUs or CPUs only.
NAMES = {
    PRECISION: "precision",
    MEMORY_FORMAT: "memory format",
    DEVICE: "device",
    PROCESSES: "number of devices",
    "hardware.gpu": "GPU",
    "hardware.cpu": "processor",
    "hardware.capability": "instructions of the processor",
    THREADS: "threads",
}
_OF_GPU, _OF_CPU = {"hardware.gpu"}, {"hardware.cpu", "hardware.capability", THREADS}
_THREADS_VARIABLE = "OMP_NUM_THREADS"


def numerics_of(parts: Parts) -> dict[str, str]:
    """Return the numerics of a run in this process."""
    hardware = {f"hardware.{key}": value for key, value in facts.hardware().items()}
    found = {
        **hardware,
        PRECISION: str(parts.trainer.precision),
        MEMORY_FORMAT: parts.module.used_memory_format(parts.trainer),
        DEVICE: parts.trainer.strategy.root_device.type,
        PROCESSES: str(parts.ranks.world_size),
        "hardware.capability": cpu_capability(),
    }
    return {tag: found[tag] for tag in NAMES if tag in found}


def recorded_numerics(folder: Path, checkpoint: Mapping[str, Any]) -> dict[str, str]:
    """Return the recorded numerics of a run, without asking a store.

    Args:
        folder: The run's folder.
        checkpoint: The checkpoint to resume from; empty if the run stopped before its first one.
            Its values have priority over those in the folder, because the last attempt may have
            trained nothing.
    """
    own = checkpoint.get(RECORD)
    there = own.get("numerics") if isinstance(own, dict) else None
    return {**_environment(folder / ENVIRONMENT_FILE), **_texts(there)}


def _environment(path: Path) -> dict[str, str]:
    """Return the numerics in a run's `environment.json`, also of a release without `numerics`."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(record, dict):
        return {}
    hardware = {f"hardware.{key}": value for key, value in _texts(record.get("hardware")).items()}
    found = {**hardware, **_texts({PRECISION: record.get(PRECISION)})}
    return {tag: found[tag] for tag in NAMES if tag in found} | _texts(record.get("numerics"))


def _texts(values: object) -> dict[str, str]:
    if not isinstance(values, dict):
        return {}
    return {k: v for k, v in values.items() if isinstance(k, str) and isinstance(v, str)}


def prepare(config: RunConfig, before: Numerics) -> RunConfig:
    """Set the number of torch's threads for a run, and choose its precision.

    The recorded number of threads is used if the number of processes is the same and the machine
    has enough cores; with more threads than cores, training takes many times as long. The recorded
    precision is used if the configuration has `auto` and the device supports it.

    Args:
        config: A checked configuration.
        before: The recorded numerics of the run; empty for a new run.

    Returns:
        The configuration to build from.

    Raises:
        ConfigError: For wrong settings, or devices that do not exist.
    """
    devices = devices_of(config.trainer, config.data.batch_size)
    same = before if before.get(DEVICE, devices.kind) == devices.kind else {}
    alike = same.get(PROCESSES, str(devices.count)) == str(devices.count)
    torch.set_num_threads(_threads(devices.count, same.get(THREADS, "") if alike else ""))
    wanted = same.get(PRECISION, "")
    if config.trainer.precision is None and has_precision(wanted, devices.kind):
        return config.with_precision(wanted)
    return config


def _threads(processes: int, recorded: str) -> int:
    """Return the number of threads of each process of a training.

    The processes of a new run share the threads that one process would have, unless the user sets
    OMP_NUM_THREADS.
    """
    own = torch.get_num_threads()
    if recorded.isdecimal() and 1 <= int(recorded[:9]) <= max(own, cores()):
        return int(recorded)
    # 0: no valid devices, which the trainer refuses when it is built.
    if processes <= 1 or _THREADS_VARIABLE in os.environ:
        return own
    return max(1, own // processes)


@contextmanager
def own_threads_afterwards() -> Iterator[None]:
    """Restore the process's number of threads at the end, because another run may follow."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def threads_left_alone() -> Iterator[None]:
    """Keep Lightning from changing the number of threads, here and in later processes."""
    before = os.environ.get(_THREADS_VARIABLE)
    os.environ[_THREADS_VARIABLE] = str(torch.get_num_threads())
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS_VARIABLE]
        else:
            os.environ[_THREADS_VARIABLE] = before


def differences(before: Numerics, now: Numerics, names: Mapping[str, str]) -> list[str]:
    """Return a text for each tag with another value than recorded: `threads: 4 then, 2 now`.

    Args:
        before: The recorded tags.
        now: The current values of the tags.
        names: The tags to compare, with their names for messages.
    """
    return [
        f"{name}: {_short(before.get(tag, ''))} then, {_short(now.get(tag, ''))} now"
        for tag, name in names.items()
        if before.get(tag, "") != now.get(tag, "")
    ]


def _short(value: str) -> str:
    return (value[:12] if len(value) in (32, 40, 64) else value) or "none"


def inexact(before: Numerics, now: Numerics) -> str | None:
    """Return a line on why a resumed run may differ in the last bits, or None.

    Values that are not recorded, or that have no influence on this device, are not compared.
    """
    others = _OF_CPU if now[DEVICE] == "cuda" else _OF_GPU
    names = {tag: name for tag, name in NAMES.items() if tag in before and tag not in others}
    found = differences(before, now, names)
    if not found:
        return None
    return f"this run may differ slightly from one without a stop: {'; '.join(found)}"
