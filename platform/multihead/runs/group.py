"""Start the other processes of a training on several devices, connect them, and end them.

Rank 0 is the process that calls `execute`: a command, or a worker of a study or an ablation. Only
rank 0 records the run. It starts the other processes itself, because Lightning's launcher would run
the command line again, and a second worker would take a second trial. The processes get their task
through a pipe. They connect through a file, so only gloo's loopback connections need ports.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed
from torch._C._distributed_c10d import FileStore

from multihead.data.ranks import Ranks
from multihead.errors import MultiheadError
from multihead.runs.build import Parts
from multihead.runs.numerics import threads_left_alone
from multihead.runs.sections import RunConfig
from multihead.terminal.lines import complain

READY = "ready\n"
# The others wait for rank 0, which may wait long for a storage that does not answer.
_PATIENCE = timedelta(days=1)
_LOOK_SECONDS = 0.5
_END_SECONDS = 30  # time for a process to end
_STUCK_SECONDS = 120  # time for rank 0 to notice that another process failed
_LOOPBACK_VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


class RankError(MultiheadError):
    """Another process of the training failed.

    Attributes:
        killed: Whether it was killed, for example when the system was out of memory.
    """

    def __init__(self, message: str, *, killed: bool) -> None:
        super().__init__(message)
        self.killed = killed


@dataclass
class _Other:
    rank: int
    process: subprocess.Popen[str]
    log: Path

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@dataclass
class Others:
    """The processes that rank 0 started.

    Args:
        place: Folder for their logs.
        checkpoints: The run's folder of checkpoints, or None if nothing is recorded.
    """

    place: Path
    checkpoints: Path | None
    found: list[_Other] = field(default_factory=list)

    def start(self, ranks: Ranks, config: RunConfig) -> None:
        """Start one process and send it its task."""
        log = self.place / f"rank{ranks.rank}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "multihead.runs.rank"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,  # Ctrl-C is for rank 0 alone
            )
        self.found.append(_Other(ranks.rank, process, log))
        task = {
            "config": config.composed,
            "rank": ranks.rank,
            "checkpoints": None if self.checkpoints is None else str(self.checkpoints),
            "place": str(self.place),
            "parent": os.getpid(),
            "path": sys.path,
            "threads": torch.get_num_threads(),
        }
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:
            json.dump(task, process.stdin)

    def wait_until_built(self) -> None:
        """Wait until every process has built its objects.

        Raises:
            RankError: If one ends instead.
        """
        for other in self.found:
            assert other.process.stdout is not None
            with other.process.stdout as lines:
                if READY not in lines:
                    raise self._failure(other)

    def failure(self) -> RankError | None:
        """Return the error of a process that failed, or None if none fails within 30 seconds."""
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            for other in self.found:
                if other.process.poll():
                    return self._failure(other)
            time.sleep(_LOOK_SECONDS / 10)
        return None

    def _failure(self, other: _Other) -> RankError:
        """Return how a process ended, and copy its log into the run's folder after a crash."""
        code = other.process.wait()
        if code < 0:
            what = f"was killed ({signal.Signals(-code).name})"
        else:
            what = f"failed: {other.last_words() or f'it ended with code {code}'}"
        if code == 1 and self.checkpoints is not None:
            kept = self.checkpoints.parent / other.log.name
            shutil.copyfile(other.log, kept)
            what += f" (in {kept})"
        return RankError(
            f"process {other.rank} of the {len(self.found) + 1} that train together {what}",
            killed=code < 0,
        )

    def wait(self) -> None:
        """Wait up to 30 seconds for each process to end by itself after the last batch."""
        for other in self.found:
            with suppress(subprocess.TimeoutExpired):
                other.process.wait(_END_SECONDS)

    def kill(self) -> None:
        """Kill all remaining processes and their children; they have nothing to save."""
        for other in self.found:
            if other.process.poll() is None:
                os.killpg(other.process.pid, signal.SIGKILL)
                other.process.wait()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """End this process if another one failed and this one waits for it without end.

        gloo usually detects a lost connection at once. While it connects, and on GPUs, a process
        may wait in native code, which no Python exception can stop.
        """
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK_SECONDS):
                failed = [other for other in self.found if other.process.poll()]
                if failed and not over.wait(_STUCK_SECONDS):
                    complain(str(self._failure(failed[0])))
                    self.kill()
                    os._exit(1)

        thread = threading.Thread(target=watch, name="ranks", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def training_together(parts: Parts, config: RunConfig, checkpoints: Path | None) -> Iterator[None]:
    """Start and connect the other processes of the training, if there are several devices.

    Args:
        parts: The run's objects in rank 0.
        config: The configuration they were built from.
        checkpoints: The run's folder of checkpoints; None if nothing is written.

    Raises:
        RankError: If another process fails.
    """
    world_size = parts.ranks.world_size
    if world_size == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="multihead-ranks-") as place:
        others = Others(Path(place), checkpoints)
        try:
            for rank in range(1, world_size):
                others.start(Ranks(rank, world_size), config)
            others.wait_until_built()
            with others.watched(), connected(parts, Path(place)):
                yield
            others.wait()
        except RuntimeError as error:
            failure = others.failure() if is_lost_connection(error) else None
            if failure is None:
                raise
            raise failure from error
        finally:
            others.kill()


@contextmanager
def connected(parts: Parts, place: Path) -> Iterator[None]:
    """Connect this process to the others of its training, and set the ranks in `parts`.

    Args:
        parts: The run's objects.
        place: The folder with the file through which the processes connect.
    """
    ranks = parts.ranks
    store = FileStore(str(place / "store"), ranks.world_size)
    cuda = parts.trainer.strategy.root_device.type == "cuda"
    with _on_loopback():
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=store,
            rank=ranks.rank,
            world_size=ranks.world_size,
            timeout=_PATIENCE,
        )
    parts.join()
    try:
        with threads_left_alone():
            yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Make gloo and NCCL listen on the loopback interface only, unless the user set another one."""
    name = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    ours = [variable for variable in _LOOPBACK_VARIABLES if variable not in os.environ]
    os.environ.update(dict.fromkeys(ours, name))
    try:
        yield
    finally:
        for variable in ours:
            del os.environ[variable]


def is_lost_connection(error: RuntimeError) -> bool:
    """Return whether a communication failed because another process ended."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)
