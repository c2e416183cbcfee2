"""Hide log messages and warnings of libraries that do not help a user."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Most parts of Lightning speak through one logger.
_COMMON = logging.getLogger("lightning.pytorch.utilities.rank_zero")
# These only say what a user asks for, such as `verbose` of a callback.
_ASKED = ("callbacks", "profilers", "tuner")
_LEVELS = {
    "lightning.pytorch": logging.WARNING,
    "lightning.fabric": logging.WARNING,
    **{f"lightning.pytorch.{part}": logging.INFO for part in _ASKED},
    _COMMON.name: logging.INFO,
}


def _is_asked_for(record: logging.LogRecord) -> bool:
    place = Path(record.pathname)
    # Averages of weights say at every checkpoint that they are in it.
    asked = place.parent.name in _ASKED and place.name != "weight_averaging.py"
    return record.levelno >= logging.WARNING or asked


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence Lightning's banners and hints, but not what its callbacks are asked to say."""
    loggers = {logging.getLogger(name): level for name, level in _LEVELS.items()}
    levels = [logger.level for logger in loggers]
    for logger, level in loggers.items():
        logger.setLevel(level)
    _COMMON.addFilter(_is_asked_for)
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
            _COMMON.removeFilter(_is_asked_for)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
