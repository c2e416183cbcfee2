"""Angles: what is near on the circle is near, however it is numbered."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from multihead.errors import ConfigError
from multihead.heads import Head
from multihead.heads.kinds.angle import Angle


def points(angles: list[float], period: float) -> torch.Tensor:
    turns = torch.tensor(angles, dtype=torch.float64) * (2 * math.pi / period)
    return torch.stack([turns.cos(), turns.sin()], 1).float()


@pytest.mark.parametrize("period", [360.0, 90.0, 2 * math.pi])
def test_errors_go_the_shorter_way_round(period: float) -> None:
    kind = Angle(period)
    said = points([0.99 * period, 0.5 * period, 0.25 * period], period)
    labels = torch.tensor([0.01, 1.25, 0.25]) * period
    readout = kind.readout(Head("h", kind=kind))
    errors = readout.measures(said, labels)[0] / period
    torch.testing.assert_close(errors, torch.tensor([0.02, 0.25, 0.0]), atol=1e-5, rtol=0)


def test_a_prediction_is_from_zero_up_to_the_period() -> None:
    kind = Angle()
    barely_below = torch.tensor([[1.0, -1e-30], [1.0, 0.0], [0.0, 0.0]])
    assert kind.readout(Head("h", kind=kind)).values(barely_below).tolist() == [0, 0, 0]


def test_the_loss_does_not_jump_where_the_circle_closes() -> None:
    kind = Angle()
    criterion = kind.criterion(Head("h", kind=kind))
    outputs = points([3.0], 360.0)
    losses = [criterion(outputs, torch.tensor([label])).item() for label in (359.99, 0.01, 360.01)]
    assert max(losses) - min(losses) < 1e-4
    assert criterion(torch.zeros(1, 2), torch.tensor([77.0])).item() == pytest.approx(0.5)


def test_a_guess_scores_nothing() -> None:
    head = Head("h", kind="angle")
    assert head.kind.score(head, {"absolute": 90.0}) == 0
    assert head.kind.score(head, {"absolute": 120.0}) == 0
    assert head.kind.score(head, {"absolute": 0.0}) == 1


@pytest.mark.parametrize("period", [0.0, -1.0, math.inf, math.nan])
def test_a_period_is_above_zero(period: float) -> None:
    with pytest.raises(ConfigError, match="the period of an angle is"):
        Angle(period)


def test_a_test_leaves_angles_with_the_shorter_error_and_pictures(tmp_path: Path) -> None:
    class Shown:
        def metric(self, name: str) -> float | None:
            return 8.0

        def images(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return numbers, np.zeros((len(numbers), 3, 8, 8), np.uint8)

        def files(self, numbers: np.ndarray) -> list[str]:
            return [f"{number}.png" for number in numbers]

    head = Head("h", kind=Angle(), title="Winkel (°)")
    for artifact in head.kind.artifacts(head):
        artifact.add(points([2.0, 90.0], 360), torch.tensor([718.0, 90.0]), torch.tensor([5, 6]))
        artifact.write(tmp_path, Shown())
    table = pd.read_csv(tmp_path / "predicted_h.csv")
    assert table["sample"].tolist() == [5, 6]
    assert table["file"].tolist() == ["5.png", "6.png"]
    np.testing.assert_allclose(table["error"], [4.0, 0.0], atol=1e-3)
    assert (tmp_path / "predicted_h.png").read_bytes()[:4] == b"\x89PNG"
    assert pd.read_csv(tmp_path / "worst_h.csv").loc[0, ["image", "file"]].tolist() == [5, "5.png"]


def test_labels_that_look_like_radians_are_told() -> None:
    """They would all be nearly the same angle."""
    labels = np.linspace(-3.1, 3.1, 9, dtype=np.float32)
    labels[4] = np.nan
    head = Head("turn", kind=Angle())
    (note,) = head.kind.notes(head, labels)
    assert "span only 6.2 of 360 degrees; if they are radians" in note
    assert not head.kind.notes(head, 57 * labels)
    assert not Angle(6.2832, "rad").notes(head, labels)
