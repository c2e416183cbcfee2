"""Confusion matrices as pictures and tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from multihead.figures import words

_MOST_NUMBERS = 20
_MOST_TICKS = 32
_LONGEST = 24


def confusion_matrix(pairs: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return counts [K, K] (rows are labels) from rows of label, prediction and count [U, 3]."""
    matrix = np.zeros((classes, classes), np.int64)
    matrix[pairs[:, 0], pairs[:, 1]] = pairs[:, 2]
    return matrix


def confusion_table(counts: NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    """Return counts [K, K] as a table: rows are labels, columns are predictions."""
    index = pd.Index(list(classes), name="label")
    return pd.DataFrame(counts, index=index, columns=list(classes))


@words.plain_words()
def confusion_figure(
    counts: NDArray[np.int64], classes: Sequence[str], title: str, path: Path
) -> None:
    """Draw a confusion matrix, coloured by the fraction of each label.

    Args:
        counts: Counts [K, K]. Rows are labels, columns are predictions.
        classes: Names of the K classes.
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
    """
    size = len(classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(3.2 + 0.42 * size, 12)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="label", title=words.title(title))
    shown = range(0, size, -(-size // _MOST_TICKS))
    names = [words.word(classes[k], _LONGEST) for k in shown]
    axes.set_xticks(shown, names, rotation=45 if len("".join(names)) > 30 else 0)
    axes.set_yticks(shown, names)
    if size <= _MOST_NUMBERS:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(
                column,
                row,
                f"{counts[row, column]:,}",
                ha="center",
                va="center",
                color=colour,
                fontsize=8,
            )
    figure.colorbar(image, ax=axes, label="share of the label", shrink=0.8)
    figure.savefig(path, dpi=120)
