"""True and predicted angles: `predicted_<head>`, a CSV and a PNG."""

from pathlib import Path

import numpy as np

from multihead.heads.artifacts.predicted_values import PredictedValues
from multihead.heads.head import Head
from multihead.heads.results import Shown


class PredictedAngles(PredictedValues):
    """Keeps the true and the predicted angle of every sample, on the device.

    Args:
        head: The head; its predictions are angles [B].
        period: The period after which angles repeat, in the unit of the labels.
    """

    def __init__(self, head: Head, period: float) -> None:
        super().__init__(head)
        self.period = period

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write one row per sample (the first 100,000), and a figure of all samples.

        The error is the predicted angle minus the label, in the shorter direction.
        """
        from multihead.figures.predicted_angles import predicted_angles_figure

        rows, half = self.seen(), self.period / 2
        _, label, predicted = rows.T
        error = (predicted - label + half) % self.period - half
        self.write_rows(rows, folder, shown, error=error)
        predicted_angles_figure(
            np.mod(label, self.period),
            error,
            period=self.period,
            quantity=self.head.quantity,
            title=self.title(shown),
            path=self.picture(folder),
        )
        return {}
