"""Hide log messages and warnings of libraries that do not help a user."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence Lightning's banners and hints."""
    loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
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
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
