"""Start and stop NVIDIA's Multi-Process Service (MPS) for a benchmark.

With MPS, kernels of several processes run on a GPU at the same time. Without it, the processes take
turns. The service runs in folders of its own, so it serves only processes that are told of them.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
_START_SECONDS, _STOP_SECONDS = 15.0, 15.0


@dataclass(frozen=True)
class Mps:
    """A running service.

    Attributes:
        environment: Variables for its clients.
    """

    environment: Mapping[str, str]

    def ask(self, command: str) -> str:
        """Return the answer of the control daemon to a command.

        Raises:
            OSError: If the daemon does not answer in time.
        """
        try:
            done = subprocess.run(
                [CONTROL],
                input=f"{command}\n",
                env={**os.environ, **self.environment},
                capture_output=True,
                text=True,
                check=True,
                timeout=_STOP_SECONDS,
            )
        except subprocess.SubprocessError as error:
            raise OSError(f"{CONTROL} did not answer {command!r}: {error}") from error
        return done.stdout.strip()

    @property
    def is_used(self) -> bool:
        """Whether a process has used the service since it was started.

        The daemon starts a server for the first process. The log is there after a server has ended.
        """
        log = Path(self.environment["CUDA_MPS_LOG_DIRECTORY"]) / "server.log"
        return bool(self.ask("get_server_list")) or log.is_file()


def has_mps() -> bool:
    """Return whether this machine has the service."""
    return shutil.which(CONTROL) is not None


@contextmanager
def running_mps(folder: Path) -> Iterator[Mps]:
    """Run the service, and stop it at the end, also after an error.

    Args:
        folder: For its pipes and logs.

    Raises:
        OSError: If it does not start.
    """
    names = {"CUDA_MPS_PIPE_DIRECTORY": folder / "pipe", "CUDA_MPS_LOG_DIRECTORY": folder / "log"}
    for place in names.values():
        place.mkdir(parents=True, exist_ok=True)
    mps = Mps({name: str(place) for name, place in names.items()})
    with (folder / "output.txt").open("w") as output:
        daemon = subprocess.Popen(
            [CONTROL, "-f"],
            env={**os.environ, **mps.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(mps, daemon, folder / "output.txt")
        yield mps
    finally:
        _stop(mps, daemon)


def _wait_for(mps: Mps, daemon: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            said = " ".join(output.read_text(errors="replace").split())
            raise OSError(f"{CONTROL} ended with {daemon.returncode}: {said[-200:]}")
        with suppress(OSError):
            mps.ask("get_server_list")
            return
        time.sleep(0.2)
    raise OSError(f"{CONTROL} did not answer within {_START_SECONDS:.0f} s.")


def _stop(mps: Mps, daemon: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        mps.ask("quit")
    with suppress(subprocess.TimeoutExpired):
        daemon.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):  # its servers are in its group too
        os.killpg(daemon.pid, signal.SIGKILL)
    daemon.wait()
