"""Predicted values against the true ones."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from multihead.figures import words

# More predictions than this in one bin are coloured by their logarithm.
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
    """Draw how often which value was predicted for which, with the line of equality.

    Args:
        counts: Per bin of true value, in rows, and of predicted value [B, B].
        edges: Of the bins, rising, [B + 1].
        quantity: What is predicted and its unit, for the axes.
        title: Shown above.
        path: Where to write; the suffix chooses the format.
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
    """Colour each bin by how many images are in it, empty ones not, and say so in a bar beside it.

    Args:
        axes: To draw on.
        across: Edges of the bins, rising, [A + 1].
        up: The same, [U + 1].
        counts: Images per bin, [A, U].
    """
    most = max(1.0, float(counts.max(initial=0)))
    norm = LogNorm(1, most) if most > _MOST_LINEAR else Normalize(0, most)
    shown = np.ma.masked_equal(counts.T, 0)
    mesh = axes.pcolormesh(across, up, shown, cmap="viridis_r", norm=norm)
    bar = axes.figure.colorbar(mesh, ax=axes, label="images", shrink=0.8)
    if most <= _MOST_LINEAR:
        bar.locator = MaxNLocator(integer=True)
        bar.update_ticks()
