"""Images in a grid, each with a caption."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from multihead.figures import words

_COLUMNS = 6


@words.plain_words()
def gallery_figure(
    images: NDArray[np.uint8], captions: Sequence[str], title: str, path: Path
) -> None:
    """Draw images with their captions, row by row, in one picture.

    Args:
        images: uint8 [n, C, H, W]. With fewer than three channels, the first one is shown in grey;
            else the first three are shown as red, green and blue.
        captions: One per image.
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
    """
    captions = [words.title(caption) for caption in captions]
    rows = max(1, -(-len(images) // _COLUMNS))
    lines = 1 + max((caption.count("\n") for caption in captions), default=0)
    height, width = images.shape[2:]
    cell = 1.1, height / width + 0.05 + 0.13 * lines  # width and height, in widths of an image
    figure = Figure(figsize=(1.6 * _COLUMNS, 0.5 + 1.45 * cell[1] * rows))
    figure.suptitle(words.title(title))
    # All images share one set of axes, since separate axes would take a second to lay out.
    axes = figure.add_axes((0.01, 0.01, 0.98, 1 - 0.5 / figure.get_figheight()))
    axes.set_axis_off()
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = (number % _COLUMNS) * cell[0], (number // _COLUMNS + 1) * cell[1]
        shown = image[0] if image.shape[0] < 3 else image[:3].transpose(1, 2, 0)
        extent = (left, left + 1, top, top - height / width)
        # cmap, vmin and vmax have no effect on colour images.
        axes.imshow(shown, interpolation="nearest", extent=extent, cmap="gray", vmin=0, vmax=255)
        place = left + 0.5, top - height / width - 0.03
        axes.text(*place, caption, fontsize=8, ha="center", va="bottom")
    axes.set(xlim=(-0.05, _COLUMNS * cell[0] - 0.05), ylim=(rows * cell[1], 0), aspect="equal")
    figure.savefig(path, dpi=110)
