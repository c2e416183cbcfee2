"""The load of the machine during a run, as metrics `system/...`.

MLflow's own monitor is not used: it needs the fluent API, which ends its run with the process.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psutil

from multihead.errors import MultiheadError

INTERVAL_SECONDS = 10.0
_GB = 1e9


@contextmanager
def system_metrics(
    log: Callable[[Mapping[str, float], int], None],
    step: Callable[[], int],
    interval: float = INTERVAL_SECONDS,
) -> Iterator[None]:
    """Log the machine's load at the start, every few seconds, and at the end.

    Args:
        log: Takes metrics and a step; called from a separate thread.
        step: Returns the current step, such as the run's age in seconds; each step is logged once.
        interval: Seconds between two measurements.
    """
    stop = threading.Event()
    look = _Machine()
    thread = threading.Thread(
        target=_watch, args=(look, log, step, interval, stop), name="system metrics", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch(
    look: "_Machine",
    log: Callable[[Mapping[str, float], int], None],
    step: Callable[[], int],
    interval: float,
    stop: threading.Event,
) -> None:
    over, last = False, None
    while not over:
        over = stop.wait(0.1 if look.is_new else interval)
        now = step()
        if now == last:
            continue
        last = now
        try:
            log(look(), now)
        except MultiheadError:
            return  # the run itself reports the error; the system metrics must not end it


class _Machine:
    """Measures the load of processors, memory and GPUs."""

    def __init__(self) -> None:
        self.is_new = True
        self._process = psutil.Process()
        self._gpus = _gpu_handles()
        psutil.cpu_percent()  # the next call returns the load since this one
        self._process.cpu_percent()

    def __call__(self) -> dict[str, float]:
        """Return loads in percent (100 is one core for a process) and memory in GB (1e9 bytes)."""
        self.is_new = False
        memory = psutil.virtual_memory()
        found = {
            "system/cpu_percent": psutil.cpu_percent(),
            "system/process_cpu_percent": self._process.cpu_percent(),
            "system/memory_percent": memory.percent,
            "system/process_memory_gb": self._process.memory_info().rss / _GB,
        }
        return found | self._gpu_figures()

    def _gpu_figures(self) -> dict[str, float]:
        found = {}
        for number, handle in enumerate(self._gpus):
            import pynvml

            used = pynvml.nvmlDeviceGetMemoryInfo(handle)
            load = pynvml.nvmlDeviceGetUtilizationRates(handle)
            found[f"system/gpu_{number}_percent"] = float(load.gpu)
            found[f"system/gpu_{number}_memory_gb"] = used.used / _GB
        return found


def _gpu_handles() -> list[object]:
    """Return NVIDIA's handles of the GPUs; an empty list without a driver or the extra `gpu`."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        return []
    except pynvml.NVMLError:
        return []
    count = pynvml.nvmlDeviceGetCount()
    return [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(count)]
