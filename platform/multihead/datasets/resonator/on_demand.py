"""A default dataset that makes itself: generated the first time that it is wanted."""

import logging
from pathlib import Path

from filelock import FileLock

from multihead.datasets.resonator.generate import generate
from multihead.datasets.resonator.plan import Plan
from multihead.errors import DataError

_log = logging.getLogger(__name__)


class GenerateOnce:
    """Generate one folder where it is absent, and no other.

    Several processes may ask at once: one generates, the others wait for it.

    Args:
        folder: The dataset's folder.
        plan: What to generate there; the default plan if none.
    """

    def __init__(self, folder: str | Path, plan: Plan | None = None) -> None:
        self.folder = _absolute(folder)
        self.plan = Plan() if plan is None else plan

    def __call__(self, wanted: Path) -> None:
        """Generate the folder if it is the one that is wanted, and absent.

        Raises:
            DataError: If the folder cannot be written.
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
                    # Whoever already waits for this file looks for the dataset first.
                    lock.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be generated: {error.strerror or error}."
            ) from error

    def _generate(self) -> None:
        if self.folder.exists():
            return
        # No handler is set up in a training, so a warning is shown on stderr as it is.
        _log.warning(
            "%s is absent: generating %s notes there, once; it takes some ten seconds",
            self.folder,
            f"{self.plan.size:,}",
        )
        generate(self.plan, self.folder)


def _absolute(folder: str | Path) -> Path:
    return Path(folder).expanduser().absolute()
