"""Pictures in a grid, each with a caption."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_COLUMNS = 6


def gallery_figure(
    images: NDArray[np.uint8], captions: Sequence[str], title: str, path: Path
) -> None:
    """Draw images with their captions, row by row, and save them as one picture.

    Args:
        images: uint8 [n, C, H, W]; one channel is grey, three or more are shown as colours.
        captions: One per image.
        title: Shown above.
        path: Where to write; the suffix chooses the format.
    """
    rows = max(1, -(-len(images) // _COLUMNS))
    lines = max((caption.count("\n") for caption in captions), default=0)
    figure = Figure(figsize=(1.6 * _COLUMNS, 0.5 + (1.75 + 0.18 * lines) * rows))
    figure.set_layout_engine("constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, caption in zip(grid, images, captions, strict=False):
        grey = image.shape[0] < 3
        shown = image[0] if grey else image[:3].transpose(1, 2, 0)
        limits = {"cmap": "gray", "vmin": 0, "vmax": 255} if grey else {}
        axes.imshow(shown, interpolation="nearest", **limits)
        axes.set_title(caption, fontsize=8)
    figure.savefig(path, dpi=110)
