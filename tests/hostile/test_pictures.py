"""Names in pictures: drawn as they are, shortened, and never read as mathematics."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from tests.hostile.names import LONG, MATHEMATICS, NAMES, TERMINAL

from multihead.figures import search
from multihead.figures.confusion import confusion_figure
from multihead.figures.dataset import LabelBars, dataset_figure
from multihead.figures.embed import inline_svg, page_style
from multihead.figures.gallery import gallery_figure
from multihead.figures.predicted import predicted_figure
from multihead.figures.reliability import reliability_figure, reliability_table
from multihead.figures.words import plain_words, title, word

# One of each kind at a time, and one at least that Matplotlib would stumble over.
SETS = (MATHEMATICS, LONG[:4], TERMINAL[-5:-1])
TWO = np.array([0.0, 1.0])


def _trials(names: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": range(4),
            "state": "COMPLETE",
            names[0]: [0.1, 0.2, 0.3, 0.4],
            names[1]: [1.0, 0.5, 0.2, 0.1],
            names[2]: [1e-6, 1e-3, 1.0, 1e3],
            names[3]: names,
        }
    )


def _dataset(names: tuple[str, ...], path: Path) -> None:
    bars = [LabelBars(names[0], names, {"train": np.arange(4), "test": np.arange(4)})]
    nmi = pd.DataFrame(np.eye(4), index=list(names), columns=list(names))
    images = np.zeros((4, 1, 4, 4), np.uint8)
    with plain_words():
        dataset_figure(names[1], images, names, bars, nmi).savefig(path)


PICTURES: dict[str, Callable[[tuple[str, ...], Path], None]] = {
    "confusion": lambda n, p: confusion_figure(np.eye(4, dtype=int), n, n[0], p),
    "gallery": lambda n, p: gallery_figure(np.zeros((4, 1, 4, 4), np.uint8), n, n[0], p),
    "predicted": lambda n, p: predicted_figure(
        np.eye(2), np.array([0.1, 1.0, 10.0]), quantity=n[0], title=n[1], path=p, log=True
    ),
    "reliability": lambda n, p: reliability_figure(
        reliability_table(TWO, TWO, TWO), n[0], p, axes=("x", "y")
    ),
    "dataset": _dataset,
    "history": lambda n, p: search.history(_trials(n), n[0], maximize=True, path=p),
    "importance": lambda n, p: search.importance({n[0]: dict.fromkeys(n, 0.2)}, p),
    "slices": lambda n, p: search.slices(_trials(n), n[0], n[1:], p),
    "parallel": lambda n, p: search.parallel_coordinates(
        _trials(n), n[0], n[1:], maximize=True, path=p
    ),
    "front": lambda n, p: search.pareto_front(_trials(n), n[:2], [0], p),
    "curves": lambda n, p: search.intermediate_values({0: {1: 0.5}}, {0: "FAIL"}, n[0], p),
}


@pytest.mark.parametrize("names", SETS, ids=("mathematics", "long", "terminal"))
@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_of_any_names_is_drawn(
    picture: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    PICTURES[picture](names, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as drawn:
        assert max(drawn.size) < 4000


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_word_is_never_mathematics_and_always_short(name: str) -> None:
    figure = Figure()
    for text in (word(name), title(name)):
        shown, is_mathematics = figure.text(0, 0, text)._preprocess_math(text)
        assert not is_mathematics
        assert shown.replace("\n", "").isprintable()
        assert len(shown) < 1300
    assert len(word(name).replace("\\$", "$")) <= 60


def test_a_name_in_a_drawn_element_is_text_even_if_it_is_our_colour() -> None:
    with page_style():
        figure = Figure()
        figure.text(0, 0, word("#123456 <script>"))
        svg = inline_svg(figure, "\"><script>'")
    assert ">#123456 &lt;script&gt;</text>" in svg
    assert "<script>" not in svg


def test_the_numbers_of_a_logarithmic_axis_stay_mathematics(tmp_path: Path) -> None:
    """Whoever switches formulas off altogether writes the source of one beside every mark."""
    import matplotlib.pyplot as plt

    PICTURES["slices"](MATHEMATICS, tmp_path / "picture.svg")
    plt.close("all")
    assert "mathdefault" not in "".join(
        line for line in (tmp_path / "picture.svg").read_text().splitlines() if "<text" in line
    )
