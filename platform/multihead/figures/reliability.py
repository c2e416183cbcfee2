"""Reliability diagrams: how well predicted probabilities agree with observed frequencies."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from multihead.figures import words


def reliability_table(
    count: NDArray[np.float64], expected: NDArray[np.float64], observed: NDArray[np.float64]
) -> pd.DataFrame:
    """Return a row per bin: lower and upper edge, number of images, expected and observed value."""
    edges = np.linspace(0, 1, len(count) + 1)
    columns = {"from": edges[:-1], "to": edges[1:], "images": count.astype(np.int64)}
    return pd.DataFrame({**columns, "expected": expected, "observed": observed})


@words.plain_words()
def reliability_figure(
    table: pd.DataFrame, title: str, path: Path, *, axes: tuple[str, str]
) -> None:
    """Draw observed against expected values, with the fraction of images in each bin.

    Args:
        table: The result of `reliability_table`.
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
        axes: Labels of the horizontal and the vertical axis.
    """
    figure = Figure(figsize=(4.6, 5.4))
    top, bottom = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    # Fixed margins, since a layout engine would draw everything twice.
    figure.subplots_adjust(left=0.15, right=0.96, top=0.9, bottom=0.1, hspace=0.08)
    top.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="perfectly calibrated")
    seen = table.dropna(subset=["observed", "expected"])
    top.plot(seen["expected"], seen["observed"], "o-", color="tab:blue", label="observed")
    top.set(ylabel=words.word(axes[1]), title=words.title(title), xlim=(0, 1), ylim=(0, 1))
    top.legend(loc="upper left")
    share = table["images"] / max(1, table["images"].sum())
    bottom.bar(table["from"], share, width=table["to"] - table["from"], align="edge")
    bottom.set(xlabel=words.word(axes[0]), ylabel="share")
    figure.savefig(path, dpi=120)
