"""Lightning's view of a run's record: points go to the store, the status does not.

The run's status is set once, by who started it: Lightning calls every exception a failure.
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
        """The logger's name: none, so that Lightning's own checkpoints lie in the run's folder."""
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
            # Lightning hands float32 values over as Python floats, with digits that mean nothing.
            exact = {name: float(str(np.float32(value))) for name, value in metrics.items()}
            self.run.log_metrics(exact, step or 0)

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: the composed configuration is recorded whole, by the run itself."""
