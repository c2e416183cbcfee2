"""Assign the cores and GPUs of this machine to workers.

A worker takes a place on a GPU by locking a file in the home folder. All commands on the machine
share these places, and so do containers that see the same GPUs and the same home folder. The
operating system releases the lock when the process ends.
"""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from multihead.pools import cores

GPU_SHARE_VARIABLE = "MULTIHEAD_GPU_SHARE"  # fraction of a GPU's memory that a worker may use
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # the same in all containers of a machine


class Places:
    """The places that the workers of one command have taken.

    Args:
        folder: Where processes of this machine keep their locks.
        devices_per_worker: GPUs of each worker. Below 1, several workers share a GPU. With 0, they
            see none.
        visible: Names of the GPUs, as in CUDA_VISIBLE_DEVICES.
    """

    def __init__(self, folder: Path, devices_per_worker: float, visible: list[str]) -> None:
        self._share = min(1.0, devices_per_worker)
        self._places = _places(devices_per_worker, visible)
        self._folder = folder
        self._taken: dict[int, tuple[FileLock | None, list[str]]] = {}

    def of(self, worker: int) -> dict[str, str]:
        """Return the environment variables of a worker; the same at every call.

        If there are more workers than places, the further ones share a place with others.

        Args:
            worker: Its number in this command.
        """
        if self._share == 0:
            return {"CUDA_VISIBLE_DEVICES": ""}
        if not self._places:
            return {}
        if worker not in self._taken:
            self._taken[worker] = self._take(worker)
        _, chosen = self._taken[worker]
        return {"CUDA_VISIBLE_DEVICES": ",".join(chosen), GPU_SHARE_VARIABLE: str(self._share)}

    def _take(self, worker: int) -> tuple[FileLock | None, list[str]]:
        self._folder.mkdir(parents=True, exist_ok=True)
        boot = _BOOT.read_text().strip()[:8] if _BOOT.exists() else ""
        for number, place in enumerate(self._places):
            lock = FileLock(self._folder / f"gpu-{boot}-{'+'.join(place)}-{number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return lock, place
        return None, self._places[worker % len(self._places)]

    def release(self) -> None:
        """Give all places back."""
        for lock, _ in self._taken.values():
            if lock is not None:
                lock.release()
        self._taken.clear()


def threads(workers: int, each: int | None = None) -> dict[str, str]:
    """Return the environment variables that limit the threads of each worker.

    A number of threads set by the user (OMP_NUM_THREADS) is kept.

    Args:
        workers: Number of workers on this machine.
        each: Threads of each worker. If None, each gets an equal share of the cores.
    """
    share = each or max(1, cores() // workers)
    number = os.environ.get(_THREADS[0]) or str(share)
    return dict.fromkeys(_THREADS, number)


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that a process started here may use; empty without GPUs."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count))))
    return named.split(",")[:count]


def _places(devices_per_worker: float, visible: list[str]) -> list[list[str]]:
    """Return the GPUs of each place. Every GPU gets its first place before any gets a second."""
    if not visible or devices_per_worker == 0:
        return []
    if devices_per_worker < 1:
        sharing = int(1 / devices_per_worker + 1e-9)
        return [[name] for _ in range(sharing) for name in visible]
    each = min(int(devices_per_worker), len(visible))
    return [visible[i : i + each] for i in range(0, len(visible) - each + 1, each)]
