"""Start and stop worker processes of a command, and give up when too many fail."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from multihead.errors import StoreError

GRACE_SECONDS = 60  # time to write a checkpoint
# Exit codes that are not the worker's own fault: another worker took its work, or out of memory.
EXIT_LOST, EXIT_MEMORY = 75, 76
# Limits of workers that fail in a row while no unit of work is finished: by errors, by kills.
_EARLY_DEATHS, _EARLY_KILLS = 5, 100


class WorkerProcess:
    """A Python module that runs as a process, and prints to a log file.

    Args:
        module: The name of the module.
        arguments: Arguments of the command line, which every user of the machine can read.
        environment: Variables in addition to those of this process.
        log: The file to which its output is appended.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=os.environ | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches only the command, which stops the workers
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Send SIGTERM, so that the process writes a checkpoint and ends."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def end(self) -> None:
        """Send SIGTERM and wait; kill the process after 60 seconds."""
        self.interrupt()
        self.wait()

    def wait(self) -> None:
        """Wait for the process after SIGTERM; kill it after 60 seconds."""
        try:
            self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()


class Deaths:
    """Count workers that failed since the last finished unit of work.

    Args:
        log: The log with the reasons, for the error message.
        unit: The name of a unit of work, such as `trial`.
    """

    def __init__(self, log: str, unit: str) -> None:
        self._log, self._unit = log, unit
        self._count = 0
        self._ended = 0

    def ended(self, count: int) -> None:
        """Set the number of finished units; if it grew, count failures from 0 again."""
        if count > self._ended:
            self._ended, self._count = count, 0

    def add(self, code: int) -> None:
        """Count a worker that ended with a code other than 0 (negative for a signal).

        Raises:
            StoreError: If too many workers failed in a row.
        """
        self._count += 1
        own_fault = code > 0 and code not in (EXIT_LOST, EXIT_MEMORY)
        if self._count >= (_EARLY_DEATHS if own_fault else _EARLY_KILLS):
            raise StoreError(
                f"{self._count} workers in a row failed without finishing a {self._unit}, the last "
                f"one with code {code}; {self._log} has the reason."
            )
