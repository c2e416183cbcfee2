"""A heat map of the conflict between the heads' gradients during a training."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from multihead.figures import words


@words.plain_words()
def conflict_figure(table: pd.DataFrame, title: str, path: Path) -> None:
    """Draw a row per pair of heads and a column per epoch, coloured by the cosine.

    Args:
        table: Columns epoch, a, b and cosine (-1 to 1); one row per pair and epoch.
        title: Title of the picture.
        path: The picture to write. Its suffix sets the format.
    """
    pairs = table.assign(pair=table["a"] + " and " + table["b"])
    grid = pairs.pivot_table(index="pair", columns="epoch", values="cosine", sort=False)
    figure = Figure(figsize=(7.5, 1.4 + 0.32 * len(grid)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(grid.to_numpy(), cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    epochs = list(grid.columns)
    ticks = range(0, len(epochs), -(-len(epochs) // 20))
    axes.set_xticks(ticks, [str(epochs[k]) for k in ticks])
    axes.set_yticks(range(len(grid)), [words.word(pair, 40) for pair in grid.index])
    axes.set(xlabel="epoch", title=words.title(title))
    figure.colorbar(image, ax=axes, label="cosine of gradients")
    figure.savefig(path, dpi=120)
