"""Hide log messages and warnings of libraries that do not help a user."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Callbacks log with loggers of their own, or with the one that rank 0 alone uses.
_CALLBACKS, _OF_RANK_ZERO = "lightning.pytorch.callbacks", "lightning.pytorch.utilities.rank_zero"


class _OfCallbacks(logging.Filter):
    """Keep messages of callbacks, and of `Timer` the first one.

    Until `min_epochs` are over, `Timer` repeats after each batch that the time is up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._time_is_up = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is shown."""
        file = Path(record.pathname)
        if record.levelno > logging.INFO or file.name != "timer.py":
            return record.levelno > logging.INFO or "callbacks" in file.parts
        repeated, self._time_is_up = self._time_is_up, True
        return not repeated


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence Lightning's banners and hints, but not what its callbacks report."""
    silent = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    speaking = [logging.getLogger(n) for n in (_CALLBACKS, _OF_RANK_ZERO)]
    loggers = [*silent, *speaking]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO if logger in speaking else logging.WARNING)
    of_callbacks = _OfCallbacks()
    speaking[1].addFilter(of_callbacks)
    with warnings.catch_warnings():
        for pattern in (
            ".*smaller than the logging interval.*",
            ".*does not have many workers.*",
            ".*isinstance.treespec, LeafSpec.*",
            ".*GPU available but not used.*",
            ".*Early stopping conditioned on metric.*",
            ".*`srun` command is available.*",
            # Lightning's own callback keeps batch norm trainable, and then warns about it.
            ".*params to be frozen already exist within another group.*",
            # Frozen batch norm is in evaluation mode on purpose.
            ".*in eval mode at the start of training.*",
            # Every process logs the same values, of the whole batch.
            ".*It is recommended to use `self.log.*sync_dist=True.*",
        ):
            warnings.filterwarnings("ignore", pattern)
        try:
            yield
        finally:
            speaking[1].removeFilter(of_callbacks)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
