"""Hide log messages and warnings of libraries that do not help a user."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Most parts of Lightning speak through one logger.
_COMMON = logging.getLogger("lightning.pytorch.utilities.rank_zero")
# These only say what a user asks for, such as `verbose` of a callback.
_ASKED = ("callbacks", "profilers")
_LEVELS = {
    "lightning.pytorch": logging.WARNING,
    "lightning.fabric": logging.WARNING,
    **{f"lightning.pytorch.{part}": logging.INFO for part in _ASKED},
    _COMMON.name: logging.INFO,
}


class _AskedFor(logging.Filter):
    """Keep warnings, what callbacks say, and of `Timer` the first message.

    Until `min_epochs` are over, `Timer` repeats after each batch that the time is up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._time_is_up = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is shown."""
        place = Path(record.pathname)
        if record.levelno >= logging.WARNING:
            return True
        # Averages of weights say at every checkpoint that they are in it.
        if place.parent.name not in _ASKED or place.name == "weight_averaging.py":
            return False
        if place.name != "timer.py":
            return True
        repeated, self._time_is_up = self._time_is_up, True
        return not repeated


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence Lightning's banners and hints, but not what its callbacks are asked to say."""
    loggers = {logging.getLogger(name): level for name, level in _LEVELS.items()}
    levels = [logger.level for logger in loggers]
    for logger, level in loggers.items():
        logger.setLevel(level)
    asked_for = _AskedFor()
    _COMMON.addFilter(asked_for)
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
            _COMMON.removeFilter(asked_for)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
