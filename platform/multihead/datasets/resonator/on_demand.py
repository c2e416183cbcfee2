"""Generate the default dataset when it is first used."""

import logging
from pathlib import Path

from filelock import FileLock

from multihead.datasets.resonator.generate import generate
from multihead.datasets.resonator.plan import Plan
from multihead.errors import DataError

_log = logging.getLogger(__name__)


class GenerateOnce:
    """Generate one specific folder if it is absent.

    If several processes call this at once, one generates and the others wait.

    Args:
        folder: The dataset's folder.
        plan: Description of the dataset. None means the default plan.
    """

    def __init__(self, folder: str | Path, plan: Plan | None = None) -> None:
        self.folder = _absolute(folder)
        self.plan = Plan() if plan is None else plan

    def __call__(self, wanted: Path) -> None:
        """Generate the folder if `wanted` is this folder and it is absent.

        Raises:
            DataError: If the folder is not writable.
        """
        if _absolute(wanted) != self.folder or self.folder.exists():
            return
        lock = self.folder.with_name(f".{self.folder.name}.lock")
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock):
                try:
                    self._generate()
                finally:
                    # Processes that wait for this lock check first whether the dataset exists.
                    lock.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be generated: {error.strerror or error}."
            ) from error

    def _generate(self) -> None:
        if self.folder.exists():
            return
        # A training sets up no log handler, so the warning goes to stderr unchanged.
        _log.warning(
            "%s is absent: generating %s notes there once; this takes about ten seconds",
            self.folder,
            f"{self.plan.size:,}",
        )
        generate(self.plan, self.folder)


def _absolute(folder: str | Path) -> Path:
    return Path(folder).expanduser().absolute()
