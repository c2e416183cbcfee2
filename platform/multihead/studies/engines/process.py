"""A worker of a study as a child of another process, which any engine may use."""

import signal
from collections.abc import Mapping
from pathlib import Path

from multihead import settings
from multihead.studies.registry import place_of
from multihead.workers import WorkerProcess

# A worker that was told to end says so with its code: it has done what it was asked.
_TOLD = 128 + signal.SIGTERM


class StudyWorker(WorkerProcess):
    """A worker that ends, with a checkpoint, when the process that started it ends.

    Args:
        study: Name of the study.
        url: Of its storage; it may hold a password, so it is never on the command line.
        environment: Beside that of this process.
        log: What the worker prints is added to this file.
    """

    def __init__(self, study: str, url: str, environment: Mapping[str, str], log: Path) -> None:
        super().__init__(
            "multihead.studies.worker",
            ["--attached", "--study", study],
            {**environment, settings.STUDIES_VARIABLE: url},
            log,
        )

    @property
    def place(self) -> str:
        """Where it runs, as the study's registry has it."""
        return place_of(self.pid)

    @property
    def code(self) -> int | None:
        """Its exit code, 0 also if it was told to end; None while it runs."""
        code = super().code
        return 0 if code == _TOLD else code
