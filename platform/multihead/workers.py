"""Processes that work for a command: started, told to end, and given up when too many die."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from multihead.errors import StoreError

GRACE_SECONDS = 60  # for a checkpoint
# What a worker ends with that is no fault of its own: its work went to another, memory was short.
EXIT_LOST, EXIT_MEMORY = 75, 76
# Workers that may end in a row without anything ending in between: by an error, by being killed.
_EARLY_DEATHS, _EARLY_KILLS = 5, 100


class WorkerProcess:
    """A Python module that runs as a process, and prints to a file.

    Args:
        module: Its name.
        arguments: On the command line, where everybody can read them.
        environment: Beside that of this process.
        log: What it prints is added to this file.
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
                start_new_session=True,  # Ctrl-C is for the command alone; it tells the workers
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to end with a checkpoint."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> None:
        """Ask it to end, wait, and end it if that takes too long."""
        self.interrupt()
        self.wait()

    def wait(self) -> None:
        """Wait for it after it was asked to end, and end it if that takes too long."""
        try:
            self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()


class Deaths:
    """Counts workers that died since something last ended well.

    Args:
        log: Where people find out why.
        unit: What workers bring to an end.
    """

    def __init__(self, log: str, unit: str) -> None:
        self._log, self._unit = log, unit
        self._count = 0
        self._ended = 0

    def ended(self, count: int) -> None:
        """Hear how much has ended."""
        if count > self._ended:
            self._ended, self._count = count, 0

    def add(self, code: int) -> None:
        """Hear that a worker ended with a code other than 0, negative for a signal.

        Raises:
            StoreError: If it is one too many.
        """
        self._count += 1
        own_fault = code > 0 and code not in (EXIT_LOST, EXIT_MEMORY)
        if self._count >= (_EARLY_DEATHS if own_fault else _EARLY_KILLS):
            raise StoreError(
                f"{self._count} workers in a row ended with code {code} without ending a "
                f"{self._unit}; {self._log} says why."
            )
