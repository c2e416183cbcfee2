"""A Lightning logger that records metrics in a run, but not the run's status.

The code that starts the run sets the status, because Lightning treats every exception as a failure.
"""

from argparse import Namespace
from typing import Any

import numpy as np
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger

from multihead.tracking.run import TrackedRun


class RunLogger(Logger):
    """Send the metrics that Lightning logs to a tracked run.

    Attributes:
        run: The run; None while nothing is recorded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run: TrackedRun | None = None

    @property
    def name(self) -> str:
        """The logger's name; empty, so that Lightning's own checkpoints go to the run's folder."""
        return ""

    @property
    def save_dir(self) -> str | None:
        """The folder of the runs; Lightning's own callbacks add name and version to it."""
        return None if self.run is None else str(self.run.folder.parent)

    @property
    def version(self) -> str:
        """The run's id."""
        return "" if self.run is None else self.run.run_id

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Record one point of each metric."""
        if self.run is not None and metrics:
            # Lightning passes float32 values as Python floats, which adds meaningless digits.
            exact = {name: float(str(np.float32(value))) for name, value in metrics.items()}
            self.run.log_metrics(exact, step or 0)

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: the run itself records the whole composed configuration."""
