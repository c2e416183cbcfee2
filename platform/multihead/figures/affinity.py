"""A heat map of affinity: how a step for one head changes the losses of the others."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from multihead.figures import words


@words.plain_words()
def affinity_figure(matrix: pd.DataFrame, path: Path) -> None:
    """Draw affinities, with a row per head that takes a step and a column per changed head.

    The largest value of two different heads sets the colour scale. A head's effect on itself is
    shown without a colour, since it is often ten times as large.

    Args:
        matrix: Affinities by head name, [T, T]. The row is the head that takes the step. nan means
            not measured.
        path: The picture to write. Its suffix sets the format.
    """
    values = matrix.to_numpy(np.float64)
    count = len(values)
    others = np.where(np.eye(count, dtype=bool), np.nan, values)
    finite = np.abs(others[np.isfinite(others)])
    most = float(finite.max()) if finite.any() else 1.0
    side = 2.6 + 0.7 * count
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(others, cmap="RdBu", vmin=-most, vmax=most)
    for i, j in np.ndindex(values.shape):
        if np.isfinite(values[i, j]):
            dark = np.isfinite(others[i, j]) and abs(others[i, j]) > 0.6 * most
            colour = "white" if dark else "black"
            axes.text(j, i, f"{values[i, j]:.2g}", ha="center", va="center", color=colour, size=8)
    names = [words.word(name, 24) for name in matrix.index]
    axes.set_xticks(range(count), names, rotation=45, ha="right")
    axes.set_yticks(range(count), names)
    axes.set(xlabel="changes the loss of", ylabel="a step for")
    axes.set_title("Inter-task affinity: above 0 the step helps", size=10)
    figure.colorbar(image, ax=axes, label="1 - loss after / loss before")
    figure.savefig(path, dpi=120)
