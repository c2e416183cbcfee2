"""The page on a dataset, and the same content as one picture."""

from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multihead.figures.dataset import (
    LabelBars,
    dataset_figure,
    draw_labels,
    draw_redundancy,
    redundancy_side,
    shown_picture,
)
from multihead.figures.embed import inline_svg, page_style, png_uri
from multihead.figures.words import plain_words
from multihead.heads import Head
from multihead.inspection.findings import (
    balance_table,
    channels_table,
    findings,
    heads_table,
    label_bins,
)
from multihead.inspection.inspect import Inspection
from multihead.report.page import render, trusted
from multihead.text import one_line

_CAPTION_HEADS = 8
_CAPTION_WIDTH = 24
_PICTURE_HEADS = 40


def dataset_page(inspection: Inspection) -> str:
    """Return the page on a dataset as HTML."""
    samples, nmi = inspection.samples, inspection.nmi
    depth, height, width = inspection.image_shape
    return render(
        "dataset",
        title=inspection.name,
        shape=f"{height} × {width} × {depth}",
        splits={split: facts.count for split, facts in inspection.splits.items()},
        findings=findings(inspection),
        columns=inspection.columns,
        notes=inspection.notes,
        heads=heads_table(inspection),
        samples=list(
            zip(
                samples.index.tolist(),
                [png_uri(shown_picture(image)) for image in samples.images],
                [captions[:_CAPTION_HEADS] for captions in _captions(inspection)],
                strict=True,
            )
        ),
        sample_split=samples.split,
        picture_note=_picture_note(depth),
        labels=[_labels_svg(bars) for bars in label_bars(inspection)],
        redundancy=_redundancy_svg(nmi) if len(nmi) > 1 else None,
        pairs=_pairs(inspection),
        threshold=inspection.redundancy.threshold,
        duplicates=inspection.duplicates,
        balance=balance_table(inspection),
        channels=channels_table(inspection),
    )


def write_dataset_page(inspection: Inspection, path: Path) -> None:
    """Write the page on a dataset."""
    path.write_text(dataset_page(inspection), encoding="utf-8")


@plain_words()
def save_dataset_picture(inspection: Inspection, path: Path) -> None:
    """Draw samples, label counts and redundancy in one picture; the suffix sets its format."""
    captions = [
        "\n".join(
            fill(one_line(f"{name} {text}", 2 * _CAPTION_WIDTH), _CAPTION_WIDTH)
            for name, text in caption[:_CAPTION_HEADS]
        )
        for caption in _captions(inspection)
    ]
    bars = label_bars(inspection)[:_PICTURE_HEADS]
    counts = ", ".join(f"{facts.count:,} {name}" for name, facts in inspection.splits.items())
    figure = dataset_figure(
        f"{inspection.name}: {counts}",
        inspection.samples.images,
        captions,
        bars,
        inspection.nmi,
    )
    figure.savefig(path, dpi=110)


def label_bars(inspection: Inspection) -> list[LabelBars]:
    """Return the data for a chart of each head's labels."""
    bars = []
    for head in inspection.heads.values():
        texts, counts = label_bins(inspection, head)
        names = [text.removesuffix(head.unit).strip() for text in texts]
        bars.append(LabelBars(head.quantity, names, counts))
    return bars


def _captions(inspection: Inspection) -> list[list[tuple[str, str]]]:
    """Return the name and the label of every head for each of the samples."""
    samples = inspection.samples
    return [
        [
            (head.shown, _label(head, samples.codes[name][i]))
            for name, head in inspection.heads.items()
        ]
        for i in range(len(samples.index))
    ]


def _label(head: Head, label: Any) -> str:
    return "no label" if head.kind.is_missing(np.asarray(label)[None])[0] else head.text(label)


def _picture_note(channels: int) -> str:
    if channels == 1:
        return ""
    if channels == 3:
        return " Channels 0, 1 and 2 are shown as red, green and blue."
    return f" The {channels} channels are shown side by side."


def _labels_svg(bars: LabelBars) -> Markup:
    with page_style():
        figure = Figure(figsize=(4.6, 2.4), layout="constrained")
        axes: Axes = figure.add_subplot()
        draw_labels(axes, bars)
    return trusted(inline_svg(figure, f"How often the labels of {bars.title} occur"))


def _redundancy_svg(nmi: pd.DataFrame) -> Markup:
    side = redundancy_side(len(nmi))
    with page_style():
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        draw_redundancy(figure, nmi)
    return trusted(inline_svg(figure, "Normalised mutual information of every two heads"))


def _pairs(inspection: Inspection) -> list[tuple[str, str, float, str]]:
    """Return the pairs of heads to show: both names, their NMI, and the relation if one follows."""
    found, heads = inspection.redundancy, inspection.heads
    functions = {frozenset(pair) for pair in found.functions}
    named = [
        *((b, a, found.nmi.loc[a, b], True) for b, a in found.functions),
        *((a, b, nmi, False) for a, b, nmi in found.pairs if frozenset((a, b)) not in functions),
    ]
    return [
        (first, second, nmi, f"{first} is a function of {second}" if follows else "")
        for first, second, nmi, follows in (
            (heads[a].shown, heads[b].shown, nmi, follows) for a, b, nmi, follows in named
        )
    ]
