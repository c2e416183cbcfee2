"""Which angle was predicted for which: `predicted_<head>`, a CSV and a PNG of the circle."""

from pathlib import Path

import numpy as np

from multihead.heads.artifacts.predicted_values import PredictedValues
from multihead.heads.head import Head
from multihead.heads.results import Shown


class PredictedAngles(PredictedValues):
    """Keep the true and the predicted angle of every sample, on the device.

    Args:
        head: What is predicted, angles [B].
        period: After which angles are the same, in the unit of the labels.
    """

    def __init__(self, head: Head, period: float) -> None:
        super().__init__(head)
        self.period = period

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write a row per sample, the first 100,000, and a picture of all.

        The error is the predicted angle less the label, the shorter way round.
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
