"""A chart of how well each tag is predicted."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from multihead.figures import words

_MOST = 60
_LONGEST = 24


@words.plain_words()
def tags_figure(table: pd.DataFrame, title: str, path: Path) -> None:
    """Draw the F1 score of the best 60 tags, one bar per tag.

    Args:
        table: One row per tag, with columns `tag`, `f1` (0 to 1), `positive` (images with the tag)
            and `told` (images with a known label).
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
    """
    shown = table.sort_values("f1", ascending=False, kind="stable").head(_MOST)
    place = np.arange(len(shown))
    figure = Figure(figsize=(6, 1.4 + 0.24 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(place, shown["f1"], color="tab:blue")
    names = [
        f"{words.word(row.tag, _LONGEST)} ({row.positive:,} of {row.told:,})"
        for row in shown.itertuples()
    ]
    axes.set_yticks(place, names, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="F1 (in brackets: test images with the tag)", xlim=(0, 1))
    axes.set_title(words.title(title), fontsize="medium")
    figure.savefig(path, dpi=120)
