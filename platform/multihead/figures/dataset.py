"""Pictures of a dataset: samples, frequencies of labels, and redundancy of heads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from multihead.figures.words import title, word

# Readable on white and black, also for most colour-blind readers (Okabe and Ito, 2008).
SPLIT_COLOURS = ("#0072b2", "#e69f00", "#009e73")
_LARGEST = 256
_TICKS = 10
_MOST_NUMBERS = 12
_MOST_NAMES = 30
_LONGEST = 24


@dataclass(frozen=True)
class LabelBars:
    """The frequencies of one head's labels.

    Attributes:
        title: The head's name.
        names: The name of each bar, B of them.
        counts: Number of samples per bar [B], by split.
    """

    title: str
    names: Sequence[str]
    counts: Mapping[str, NDArray[np.int64]]


def shown_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image uint8 [C, H, W] in a form that can be displayed.

    Three channels become a colour picture [H, W, 3]. Otherwise the channels become grey pictures
    side by side, [H, C * W]. If a side is longer than 256, rows or columns are skipped.
    """
    _, height, width = image.shape
    image = image[:, :: -(-height // _LARGEST), :: -(-width // _LARGEST)]
    if len(image) == 3:
        return np.ascontiguousarray(image.transpose(1, 2, 0))
    return np.ascontiguousarray(np.concatenate(list(image), axis=1))


def draw_samples(
    figure: FigureBase, images: NDArray[np.uint8], captions: Sequence[str], columns: int = 6
) -> None:
    """Draw images uint8 [n, C, H, W] in a grid, each with its caption below."""
    rows = max(1, -(-len(images) // columns))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        axes.imshow(shown_picture(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(title(caption), y=-0.06, va="top", fontsize=7)


def draw_labels(axes: Axes, bars: LabelBars) -> None:
    """Draw the percentage of each split's samples per label, or per bin of levels."""
    place = np.arange(len(bars.names))
    width = 0.84 / len(bars.counts)
    for i, (split, counts) in enumerate(bars.counts.items()):
        share = 100 * counts / max(int(counts.sum()), 1)
        offset = (i - (len(bars.counts) - 1) / 2) * width
        colour = SPLIT_COLOURS[i % len(SPLIT_COLOURS)]
        axes.bar(place + offset, share, width, label=split, color=colour)
    ticks = place[:: -(-len(place) // _TICKS)]
    names = [word(bars.names[i], _LONGEST) for i in ticks]
    slanted = sum(map(len, names)) > 40
    axes.set_xticks(
        ticks, names, rotation=35 if slanted else 0, ha="right" if slanted else "center"
    )
    axes.set_title(word(bars.title), loc="left", fontweight="bold")
    axes.yaxis.set_major_formatter("{x:.3g}%")
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    if len(bars.counts) > 1:
        axes.legend(frameon=False, ncols=len(bars.counts), loc="lower right", bbox_to_anchor=(1, 1))


def draw_redundancy(figure: FigureBase, nmi: pd.DataFrame) -> None:
    """Draw the normalised mutual information of every two heads, [T, T], 0 to 1."""
    axes = figure.subplots()
    count = len(nmi)
    mesh = axes.pcolormesh(nmi.to_numpy(), cmap="cividis", vmin=0, vmax=1)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    shown = np.arange(0, count, -(-count // _MOST_NAMES))
    names = [word(nmi.columns[i], _LONGEST) for i in shown]
    axes.set_xticks(shown + 0.5, names, rotation=35, ha="right")
    axes.set_yticks(shown + 0.5, names)
    if count <= _MOST_NUMBERS:
        for row, column in np.ndindex(nmi.shape):
            value = nmi.iat[row, column]
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{value:.2f}",
                ha="center",
                va="center",
                color="black" if value > 0.5 else "white",
            )
    figure.colorbar(mesh, ax=axes, label="normalised mutual information", shrink=0.8)


def redundancy_side(heads: int) -> float:
    """Return the side in inches that a readable matrix of so many heads needs."""
    return float(np.clip(2.2 + 0.5 * heads, 3.2, 9))


def dataset_figure(
    heading: str,
    images: NDArray[np.uint8],
    captions: Sequence[str],
    bars: Sequence[LabelBars],
    nmi: pd.DataFrame,
) -> Figure:
    """Draw samples, label counts and redundancy below each other in one figure."""
    rows = -(-len(bars) // 2)
    side = redundancy_side(len(nmi)) if len(nmi) > 1 else 0.0
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    heights = [max(1, -(-len(images) // 6)) * (1.4 + 0.14 * lines), 2.3 * rows]
    heights += [side] if side else []
    figure = Figure(figsize=(9, sum(heights) + 0.5), layout="constrained")
    figure.suptitle(title(heading), fontweight="bold")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    draw_samples(parts[0], images, captions)
    grid = parts[1].subplots(rows, 2, squeeze=False).ravel()
    for axes, bar in zip(grid, bars, strict=False):
        draw_labels(axes, bar)
    for axes in grid[len(bars) :]:
        axes.set_axis_off()
    if side:
        draw_redundancy(parts[2], nmi)
    return figure
