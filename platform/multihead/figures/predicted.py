"""A chart of predicted values against true values."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from multihead.figures import words

# With more predictions than this in one bin, the colour scale is logarithmic.
_MOST_LINEAR = 20


@words.plain_words()
def predicted_figure(
    counts: NDArray[np.float64],
    edges: NDArray[np.float64],
    *,
    quantity: str,
    title: str,
    path: Path,
    log: bool = False,
) -> None:
    """Draw a 2-D histogram of true and predicted values, with the line of equality.

    Args:
        counts: Number of images per bin, [B, B]. Rows are true values, columns predicted values.
        edges: Edges of the bins, ascending, [B + 1].
        quantity: The predicted quantity and its unit, for the axes.
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
        log: Whether the axes are logarithmic.
    """
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    ends = [edges[0], edges[-1]]
    axes.plot(ends, ends, color="0.4", linewidth=0.8, label="predicted = true")
    scale = "log" if log else "linear"
    quantity = words.word(quantity)
    axes.set(xlabel=f"true {quantity}", ylabel=f"predicted {quantity}", xlim=ends, ylim=ends)
    axes.set(xscale=scale, yscale=scale, aspect="equal")
    axes.set_title(words.title(title), fontsize="medium")
    axes.legend(loc="upper left", frameon=False)
    draw_counts(axes, edges, edges, counts)
    figure.savefig(path, dpi=120)


def draw_counts(
    axes: Axes, across: NDArray[np.float64], up: NDArray[np.float64], counts: NDArray[np.float64]
) -> None:
    """Colour each bin by its number of images, with a colour bar. Empty bins stay blank.

    Args:
        axes: The axes to draw on.
        across: Horizontal edges of the bins, ascending, [A + 1].
        up: Vertical edges of the bins, ascending, [U + 1].
        counts: Number of images per bin, [A, U].
    """
    most = max(1.0, float(counts.max(initial=0)))
    norm = LogNorm(1, most) if most > _MOST_LINEAR else Normalize(0, most)
    shown = np.ma.masked_equal(counts.T, 0)
    mesh = axes.pcolormesh(across, up, shown, cmap="viridis_r", norm=norm)
    bar = axes.figure.colorbar(mesh, ax=axes, label="images", shrink=0.8)
    if most <= _MOST_LINEAR:
        bar.locator = MaxNLocator(integer=True)
        bar.update_ticks()
