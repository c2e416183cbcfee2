"""A chart of predicted angles against true angles, and of the error around the circle."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from multihead.figures import words
from multihead.figures.predicted import draw_counts

_BINS, _SECTORS = 48, 24


@words.plain_words()
def predicted_angles_figure(
    true: NDArray[np.float64],
    error: NDArray[np.float64],
    *,
    period: float,
    quantity: str,
    title: str,
    path: Path,
) -> None:
    """Draw a 2-D histogram of true and predicted angles, and the mean error around the circle.

    In the histogram, a prediction is drawn within half a period of its label. So a prediction just
    across 0 is close to the line of equality.

    On the circle, the period is one turn, clockwise from the top. Each bar is the mean absolute
    error of the labels in its sector. The dashed ring is the error of a random guess.

    Args:
        true: Labels, 0 to below the period, [N].
        error: Predicted minus true angle, at most half a period in either direction, [N].
        period: The period of the angle, in its unit.
        quantity: The predicted quantity and its unit, for the axes.
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
    """
    figure = Figure(figsize=(10, 5), layout="constrained")
    quantity = words.word(quantity)
    plane = figure.add_subplot(1, 2, 1)
    edges = np.linspace(0, period, _BINS + 1)
    heights = np.linspace(-period / 2, 1.5 * period, 2 * _BINS + 1)
    counts = np.histogram2d(true, true + error, [edges, heights])[0]
    plane.plot([0, period], [0, period], color="0.4", linewidth=0.8, label="predicted = true")
    quarters = np.arange(5) * period / 4
    plane.set(xlim=(0, period), ylim=(-period / 2, 1.5 * period), xticks=quarters)
    plane.set(yticks=np.arange(-2, 7) * period / 4)
    plane.set(xlabel=f"true {quantity}", ylabel=f"predicted {quantity}, nearest to the true")
    plane.legend(loc="upper left", frameon=False)
    draw_counts(plane, edges, heights, counts)

    circle = figure.add_subplot(1, 2, 2, projection="polar")
    sector = np.minimum((true / period * _SECTORS).astype(int), _SECTORS - 1)
    count = np.bincount(sector, minlength=_SECTORS)
    mean = np.bincount(sector, np.abs(error), minlength=_SECTORS) / np.maximum(count, 1)
    width = 2 * np.pi / _SECTORS
    circle.bar((np.arange(_SECTORS) + 0.5) * width, mean, width=width, edgecolor="white")
    around = np.linspace(0, 2 * np.pi, 200)
    guess = np.full_like(around, period / 4)
    circle.plot(around, guess, color="0.4", linestyle="--", linewidth=0.8, label="a guess")
    circle.set_theta_zero_location("N")  # type: ignore[attr-defined]
    circle.set_theta_direction(-1)  # type: ignore[attr-defined]
    circle.set_xticks(np.arange(8) * np.pi / 4, [f"{q:g}" for q in np.arange(8) * period / 8])
    circle.set_ylim(0, max(period / 4, float(mean.max(initial=0))) * 1.05)
    circle.yaxis.set_major_locator(MaxNLocator(3))
    circle.set_title("mean absolute error by the true angle", fontsize="medium")
    circle.legend(loc="lower right", bbox_to_anchor=(1.1, -0.12), frameon=False)
    figure.suptitle(words.title(title), fontsize="medium")
    figure.savefig(path, dpi=120)
