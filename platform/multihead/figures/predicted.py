"""Predicted values of a parameter against the true ones."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from multihead.heads import Head

_MOST_BINS = 64


def pairs_table(head: Head, pairs: NDArray[np.int64]) -> pd.DataFrame:
    """Return pairs of levels as a table, with what the levels stand for.

    Args:
        head: A head with a parameter.
        pairs: Label, predicted level and count in rows [U, 3].
    """
    table = pd.DataFrame(pairs, columns=["label", "predicted", "count"])
    table["label_value"] = head.decode(pairs[:, 0])
    table["predicted_value"] = head.decode(pairs[:, 1])
    return table


def predicted_figure(head: Head, pairs: NDArray[np.int64], title: str, path: Path) -> None:
    """Draw how often which value was predicted for which, with the line of equality.

    Levels next to each other share a bin where there are more than 64 of them. The axes are in
    the parameter's unit, on its own scale.

    Args:
        head: A head with a parameter.
        pairs: Label, predicted level and count in rows [U, 3].
        title: Shown above.
        path: Where to write; the suffix chooses the format.
    """
    levels = head.num_classes
    # Half a level more on either side, so that the outermost levels lie inside.
    edges = head.decode(np.linspace(-0.5, levels - 0.5, min(levels, _MOST_BINS) + 1))
    true, predicted = head.decode(pairs[:, 0]), head.decode(pairs[:, 1])
    counts, _, _ = np.histogram2d(true, predicted, bins=[edges, edges], weights=pairs[:, 2])
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    shown = np.ma.masked_equal(counts.T, 0)
    most = max(1.0, float(counts.max(initial=0)))
    norm = LogNorm(1, most) if most > 20 else Normalize(0, most)
    mesh = axes.pcolormesh(edges, edges, shown, cmap="viridis_r", norm=norm)
    ends = [edges[0], edges[-1]]
    axes.plot(ends, ends, color="0.4", linewidth=0.8, label="predicted = true")
    unit = f" [{head.unit}]" if head.unit else ""
    axes.set(xlabel=f"true {head.name}{unit}", ylabel=f"predicted {head.name}{unit}")
    axes.set(xlim=ends, ylim=ends)
    axes.set_title(title, fontsize="medium")
    if head.parameter is not None and head.parameter.scale == "log":
        axes.set(xscale="log", yscale="log")
    axes.set_aspect("equal")
    axes.legend(loc="upper left", frameon=False)
    figure.colorbar(mesh, ax=axes, label="images", shrink=0.8)
    figure.savefig(path, dpi=120)
