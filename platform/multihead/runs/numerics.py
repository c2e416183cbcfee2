"""What decides how a training rounds, beside its configuration, code, libraries and data.

The last digits of a sum depend on the order of its terms, and that order on the number of
threads, the precision, the memory format and the instructions of the processor. So all of these
are in a run's record and in its checkpoints, under the names of the record's tags. A run that goes
on does so with what is recorded, where that can be had, and says where it cannot.
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
# What to call them; of these the last ones are a GPU's and a CPU's alone.
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
    """Return what decides how a run rounds in this process, now."""
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
    """Return what is known of a run's own machine; no store is asked.

    Args:
        folder: The run's.
        checkpoint: From which it is to go on; empty if it stopped before its first one. What it
            says comes before the word of an attempt that may have trained nothing.
    """
    own = checkpoint.get(RECORD)
    there = own.get("numerics") if isinstance(own, dict) else None
    return {**_environment(folder / ENVIRONMENT_FILE), **_texts(there)}


def _environment(path: Path) -> dict[str, str]:
    """Return what a run's `environment.json` says, also of a version without `numerics`."""
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
    """Give torch the threads that a run is to train with, and settle its precision.

    Both are those on record where they can be had: as many threads as this machine has cores for,
    for the same number of processes, and a precision that `auto` chose then and that the device has
    units for. More threads than cores take many times as long.

    Args:
        config: Checked.
        before: What is on record of the run; empty for a new one.

    Returns:
        The configuration to build from.

    Raises:
        ConfigError: For settings that are wrong, or devices that are not there.
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
    """Return the threads of each process of a training.

    Those of a new one on several devices share what one process would have, unless the user says
    how many each is to have.
    """
    own = torch.get_num_threads()
    if recorded.isdecimal() and 1 <= int(recorded[:9]) <= max(own, cores()):
        return int(recorded)
    if processes == 1 or _THREADS_VARIABLE in os.environ:
        return own
    return max(1, own // processes)


@contextmanager
def own_threads_afterwards() -> Iterator[None]:
    """Give the process the number of threads back that it had: the next run may be another's."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def threads_left_alone() -> Iterator[None]:
    """Keep Lightning from another number of threads, and from telling all later processes of it."""
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
    """Return a text for each of `names` that is not now as it was then: `threads: 4 then, 2 now`.

    Args:
        before: Tags of a record.
        now: What they would be now.
        names: What to call each tag that is compared.
    """
    return [
        f"{name}: {_short(before.get(tag, ''))} then, {_short(now.get(tag, ''))} now"
        for tag, name in names.items()
        if before.get(tag, "") != now.get(tag, "")
    ]


def _short(value: str) -> str:
    return (value[:12] if len(value) in (32, 40, 64) else value) or "none"


def inexact(before: Numerics, now: Numerics) -> str | None:
    """Return a line on why a run does not go on to the bit as it would have, or None.

    What is not on record is not compared, nor what decides nothing on the device.
    """
    others = _OF_CPU if now[DEVICE] == "cuda" else _OF_GPU
    names = {tag: name for tag, name in NAMES.items() if tag in before and tag not in others}
    found = differences(before, now, names)
    if not found:
        return None
    return f"this run does not go on exactly as it would have without a stop: {'; '.join(found)}"
