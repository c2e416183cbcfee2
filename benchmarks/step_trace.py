"""Read from a trace of torch's profiler where the host waits, and how busy the GPU is.

`three_ways.Window` writes such a trace; see torch.profiler's `export_chrome_trace`. Times in it are
in microseconds.
"""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MARKER = "measured steps"  # the range in a trace that covers them
_HOST = ("cuda_runtime", "cuda_driver")
# cudaStreamSynchronize, cudaDeviceSynchronize, cudaEventSynchronize, cuStreamSynchronize, ...
_WAIT = re.compile(r"cu(da)?(Stream|Device|Event|Ctx)Synchronize")
_TO_HOST, _TO_DEVICE = "Memcpy DtoH", "Memcpy HtoD"
_ITEM = "aten::_local_scalar_dense"  # each `.item()`, `float(tensor)`, `if tensor`


def read_trace(path: Path, steps: int, *, gpu: bool) -> dict[str, float | None]:
    """Return what happened in the measured steps of a trace.

    Args:
        path: A trace, `.json.gz`.
        steps: Number of measured steps.
        gpu: Whether the trace has the activities of a GPU.

    Returns:
        Per step: `items` (values of tensors that Python asked for), and with a GPU `waits` (calls
        that block the host until the GPU is done), `to_host` and `to_device` (copies) and
        `kernel_ms`. `busy` is the share of the time, 0 to 1, in which a kernel runs. Without a GPU
        all but `items` are None.

    Raises:
        RuntimeError: If the trace has no measured steps, or no kernel of a GPU that should have
            trained.
    """
    with gzip.open(path, "rt") as file:
        events = [e for e in json.load(file)["traceEvents"] if e.get("ph") == "X"]
    marker = next((e for e in events if _is(e, "user_annotation", MARKER)), None)
    if marker is None:
        raise RuntimeError(f"{path.name} has no range {MARKER!r}.")
    began, ended = _span(marker)
    inside = [e for e in events if began <= e["ts"] < ended]
    items = sum(_is(e, "cpu_op", _ITEM) for e in inside)
    found: dict[str, float | None] = {"items": items / steps}
    if not gpu:
        return found | dict.fromkeys(("waits", "to_host", "to_device", "kernel_ms", "busy"))
    kernels = [_span(e) for e in events if e.get("cat") == "kernel" and e["ts"] >= began]
    if not kernels:
        raise RuntimeError(f"{path.name} has no kernel: the profiler did not see the GPU.")
    waits = sum(e.get("cat") in _HOST and _WAIT.match(e["name"]) is not None for e in inside)
    running = covered(kernels)
    # Kernels of the last step may run on after the host has left it.
    wall = max(ended, *(end for _, end in kernels)) - began
    return found | {
        "waits": waits / steps,
        "to_host": _copies(events, began, _TO_HOST) / steps,
        "to_device": _copies(events, began, _TO_DEVICE) / steps,
        "kernel_ms": running / 1000 / steps,
        "busy": running / wall,
    }


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of intervals, each given as start and end."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _is(event: Mapping[str, Any], category: str, name: str) -> bool:
    return event.get("cat") == category and event["name"] == name


def _span(event: Mapping[str, Any]) -> tuple[float, float]:
    return float(event["ts"]), float(event["ts"]) + float(event.get("dur", 0))


def _copies(events: Iterable[Mapping[str, Any]], began: float, name: str) -> int:
    return sum(
        e.get("cat") == "gpu_memcpy" and e["name"].startswith(name) and e["ts"] >= began
        for e in events
    )
