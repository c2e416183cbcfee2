"""The benchmark of one GPU: small on the CPU, and in parts what only a GPU would run."""

import gzip
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.benchmark import ROOT, benchmark

sys.path.append(str(ROOT / "benchmarks"))  # scripts that import each other by name

from mps import CONTROL, has_mps, running_mps
from step_trace import MARKER, covered, read_trace


@pytest.mark.slow(minutes=1)
def test_the_three_ways_are_timed_and_traced_on_the_cpu(tmp_path: Path) -> None:
    small = ("--quick", "--networks", "mnist", "--variants", "contiguous", "--minutes", "9")
    only = ("--only", "throughput", "profile", "--data-dir", str(tmp_path / "nothing"))
    said = benchmark("gpu.py", "--device", "cpu", *small, *only, "--out", str(tmp_path))
    assert "random pictures of the same shape, because the files are not there" in said
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert not found["failed"]
    assert not found["left_out"]
    ways = ["multihead", "hand-written", "common"]
    assert [row["way"] for row in found["throughput"]] == ways
    assert all(row["images/s"]["1"] > 0 for row in found["throughput"])
    assert [row["way"] for row in found["profile"]] == ways
    assert {row["busy"] for row in found["profile"]} == {None}
    assert len(list(tmp_path.glob("*.json.gz"))) == 3
    table = (tmp_path / "gpu.md").read_text()
    assert "not measured" in table
    assert table in said


@pytest.mark.slow(minutes=2)
def test_trials_per_hour_are_measured_on_the_cpu_and_mps_is_said_to_be_missing(
    tmp_path: Path,
) -> None:
    small = ("--quick", "--workers", "1", "--only", "workers", "--minutes", "9")
    benchmark("gpu.py", "--device", "cpu", *small, "--out", str(tmp_path))
    measured, without = json.loads((tmp_path / "gpu.json").read_text())["workers"]
    assert measured["trials"] == 4
    assert measured["trials/h"] == pytest.approx(3600 * 4 / measured["seconds"])
    assert without["note"] == "not measured: there is no GPU"


def test_an_asked_value_of_a_tensor_counts_as_an_item_of_the_steps(tmp_path: Path) -> None:
    """The window that the benchmark uses, around two steps with three values and one outside."""
    import torch
    from three_ways import Window

    window = Window("cpu", warm=1, steps=2, trace=tmp_path / "trace.json.gz")
    for step in range(4):
        window.before(step)
        for _ in range(step):
            torch.ones(1).item()
        window.after(step, 8, last=False)
    assert window.images == 16
    assert read_trace(tmp_path / "trace.json.gz", 2, gpu=False)["items"] == 1.5


def test_a_training_that_fails_in_a_traced_step_does_not_stop_the_next_trace(
    tmp_path: Path,
) -> None:
    from three_ways import Window

    failed = Window("cpu", steps=1, trace=tmp_path / "failed.json.gz")
    failed.before(0)
    failed.close()
    with pytest.raises(RuntimeError, match="fewer than 0 \\+ 1 steps"):
        _ = failed.rate
    window = Window("cpu", steps=1, trace=tmp_path / "trace.json.gz")
    window.before(0)
    window.after(0, 8, last=True)
    assert window.rate > 0
    assert read_trace(window.trace, 1, gpu=False)["items"] == 0


def _event(category: str, name: str, start: float, duration: float) -> dict[str, Any]:
    return {"ph": "X", "cat": category, "name": name, "ts": start, "dur": duration}


def _written(path: Path, *events: dict[str, Any]) -> Path:
    with gzip.open(path, "wt") as file:
        json.dump({"traceEvents": [{"ph": "M", "name": "process_name"}, *events]}, file)
    return path


def test_waits_copies_and_busy_time_of_a_gpu_are_read_from_a_trace(tmp_path: Path) -> None:
    """The range of the marker on the GPU covers all kernels; it must not count as one of them."""
    trace = _written(
        tmp_path / "trace.json.gz",
        _event("cuda_runtime", "cudaDeviceSynchronize", 90, 5),
        _event("kernel", "of the warm-up", 80, 10),
        _event("user_annotation", MARKER, 100, 100),
        _event("gpu_user_annotation", MARKER, 100, 150),
        _event("cuda_runtime", "cudaLaunchKernel", 110, 1),
        _event("cuda_runtime", "cudaMemcpyAsync", 120, 1),
        _event("cuda_runtime", "cudaStreamSynchronize", 121, 1),
        _event("cuda_driver", "cuStreamSynchronize", 130, 1),
        _event("cuda_runtime", "cudaStreamWaitEvent", 140, 1),
        _event("cpu_op", "aten::item", 150, 2),
        _event("cpu_op", "aten::_local_scalar_dense", 151, 1),
        _event("gpu_memcpy", "Memcpy DtoH (Device -> Pageable)", 152, 1),
        _event("gpu_memcpy", "Memcpy HtoD (Pageable -> Device)", 153, 1),
        _event("kernel", "first", 110, 20),
        _event("kernel", "beside it on another stream", 120, 20),
        _event("kernel", "after the host has left the last step", 270, 30),
        _event("cuda_runtime", "cudaDeviceSynchronize", 205, 5),
    )
    found = read_trace(trace, 2, gpu=True)
    assert found == {
        "items": 0.5,
        "waits": 1.0,
        "to_host": 0.5,
        "to_device": 0.5,
        "kernel_ms": 0.03,
        "busy": 0.3,
    }


def test_a_trace_without_a_kernel_of_the_gpu_is_refused(tmp_path: Path) -> None:
    """Otherwise a profiler that cannot see the GPU would look like a GPU that does nothing."""
    trace = _written(tmp_path / "trace.json.gz", _event("user_annotation", MARKER, 0, 10))
    with pytest.raises(RuntimeError, match="did not see the GPU"):
        read_trace(trace, 1, gpu=True)


def test_time_that_two_kernels_share_counts_once() -> None:
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program with the interface of MPS's control daemon, and the file with its process's id."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / CONTROL
    program.write_text(
        "#!/bin/sh\n"
        'pid="$CUDA_MPS_PIPE_DIRECTORY/pid"\n'
        'if [ "$1" = -f ]; then echo $$ > "$pid"; exec sleep 60; fi\n'
        'read command; [ -s "$pid" ] || exit 1\n'
        'if [ "$command" = quit ]; then kill "$(cat "$pid")"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "mps" / "pipe" / "pid"


def test_mps_runs_in_a_folder_of_its_own_and_stops_after_an_error(control: Path) -> None:
    assert has_mps()
    with suppress(ZeroDivisionError), running_mps(control.parents[1]) as service:
        assert service.environment["CUDA_MPS_PIPE_DIRECTORY"] == str(control.parent)
        assert not service.is_used
        pid = int(control.read_text())
        os.kill(pid, 0)
        raise ZeroDivisionError
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_mps_that_does_not_start_says_why(control: Path) -> None:
    program = Path(os.environ["PATH"].split(os.pathsep)[0]) / CONTROL
    program.write_text("#!/bin/sh\necho 'no permission'; exit 3\n")
    with (
        pytest.raises(OSError, match="ended with 3: no permission"),
        running_mps(control.parents[1]),
    ):
        pass
