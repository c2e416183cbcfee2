"""ROC and precision-recall curves, side by side."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from multihead.figures import words

_MOST_NAMED = 10
_LONGEST = 24


@words.plain_words()
def curves_figure(curves: Mapping[str, pd.DataFrame], title: str, path: Path) -> None:
    """Draw the curves of each class or tag.

    Args:
        curves: Points of each curve by name, with columns `true_positive_rate`,
            `false_positive_rate` and `precision`, from the highest threshold to the lowest.
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
    """
    figure = Figure(figsize=(9, 4.6))
    left, right = figure.subplots(1, 2)
    # Fixed margins, since a layout engine would draw everything twice.
    figure.subplots_adjust(left=0.07, right=0.98, top=0.88, bottom=0.12, wspace=0.2)
    figure.suptitle(words.title(title))
    left.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    for number, (name, points) in enumerate(curves.items()):
        label = words.word(name, _LONGEST) if number < _MOST_NAMED else None
        hits = points["true_positive_rate"]
        left.plot([0, *points["false_positive_rate"]], [0, *hits], label=label)
        right.plot(hits, points["precision"], drawstyle="steps-pre", label=label)
    left.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.02))
    right.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    if len(curves) > 1:
        left.legend(loc="lower right", fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)
