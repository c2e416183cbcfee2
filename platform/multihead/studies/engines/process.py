"""A worker of a study as a child process, for any engine."""

import signal
from collections.abc import Mapping
from pathlib import Path

from multihead import settings
from multihead.studies.registry import place_of
from multihead.workers import WorkerProcess

# Exit code of a worker that was asked to end. It counts as success.
_TOLD = 128 + signal.SIGTERM


class StudyWorker(WorkerProcess):
    """A worker that ends, with a checkpoint, when the process that started it ends.

    Args:
        study: Name of the study.
        url: URL of its storage. It may hold a password, so it is never on the command line.
        environment: Environment variables in addition to those of this process.
        log: The file to which the worker's output is appended.
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
        """Host and process id, as in the study's registry."""
        return place_of(self.pid)

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs. It is 0 also if the worker was asked to end."""
        code = super().code
        return 0 if code == _TOLD else code
