"""Pictures of a search: each can be drawn from whatever the trials came to."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from multihead.figures import search

METRIC, OTHER = "val/digit_acc", "val/digit_loss"
TRIALS = pd.DataFrame(
    {
        "number": [0, 1, 2, 3],
        "state": ["COMPLETE", "PRUNED", "COMPLETE", "FAIL"],
        METRIC: [0.9, None, 0.95, None],
        OTHER: [0.3, None, 0.2, None],
        "lr": [1e-4, 1e-3, 1e-2, 1e30],
        "net": ["a", "b", "b", "a"],
        "dropout": [0.1, None, None, 0.2],
        "started": pd.to_datetime([0, 1, 2, 3], unit="s", utc=True),
        "seconds": [1.0, 0.5, 1.0, None],
    }
)
CURVES = {0: {1: 0.5, 2: 0.9}, 1: {1: 0.1}, 2: {1: 0.6, 2: 0.95}}
STATES = {0: "COMPLETE", 1: "PRUNED", 2: "COMPLETE"}
PARAMS = ["lr", "net", "dropout"]
PICTURES: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "history": lambda t, p: search.history(t, METRIC, maximize=True, path=p),
    "slices": lambda t, p: search.slices(t, METRIC, PARAMS, p),
    "parallel": lambda t, p: search.parallel_coordinates(t, METRIC, PARAMS, maximize=True, path=p),
    "front": lambda t, p: search.pareto_front(t, [METRIC, OTHER], [2], p),
    "timeline": search.timeline,
    "curves": lambda t, p: search.intermediate_values(CURVES, STATES, METRIC, p),
    "importance": lambda t, p: search.importance({METRIC: {"lr": 0.7, "net": 0.3}}, p),
}


@pytest.mark.parametrize("rows", [pytest.param(4, id="mixed"), pytest.param(1, id="one trial")])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_can_be_drawn(name: str, rows: int, tmp_path: Path) -> None:
    PICTURES[name](TRIALS[:rows], tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert min(picture.size) > 200
