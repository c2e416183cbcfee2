import numpy as np
import pytest
import torch

from multihead.heads import Head, Parameter
from multihead.heads.artifacts.reliability import (
    BINS,
    ConfidenceReliability,
    QuantileReliability,
)


def _logits(probabilities: list[list[float]]) -> torch.Tensor:
    return torch.tensor(probabilities).log()


def test_the_calibration_error_is_the_weighted_distance_of_accuracy_from_confidence() -> None:
    """Two bins: three images at 0.9 of which two are right, one at 0.6 that is wrong."""
    sums, numbers = ConfidenceReliability(Head("a", 2)), torch.arange(2)
    sums.add(_logits([[0.9, 0.1], [0.9, 0.1]]), torch.tensor([0, 0]), numbers)
    sums.add(_logits([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([1, 0]), numbers)
    found = sums.read()
    assert found.error == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.6, abs=1e-6)
    assert found.count.sum() == 4
    assert np.isnan(found.observed).sum() == BINS - 2
    sums.reset()
    assert sums.read().error == 0


def test_certainty_that_is_right_has_no_error() -> None:
    sums = ConfidenceReliability(Head("a", 3))
    sums.add(torch.eye(3) * 1000, torch.arange(3), torch.arange(3))
    found = sums.read()
    assert (found.error, found.count[-1]) == (0, 3)


@pytest.mark.parametrize(("sharpness", "low", "high"), [(1.0, 0, 0.02), (3.0, 0.05, 0.5)])
def test_levels_drawn_from_their_distribution_are_calibrated_and_overconfidence_is_not(
    sharpness: float, low: float, high: float
) -> None:
    head = Head("p", 64, kind="ordinal", parameter=Parameter(0, 1, levels=64))
    generator = torch.Generator().manual_seed(0)
    centre = torch.rand(4000, 1, generator=generator) * 40 + 10
    logits = -((torch.arange(64) - centre) ** 2) / 50
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    sums = QuantileReliability(head)
    sums.add(logits * sharpness, labels, torch.arange(4000))
    assert low <= sums.read().error <= high


def test_a_regression_promises_nothing() -> None:
    head = Head("r", 256, kind="regression", parameter=Parameter(0, 1))
    assert head.kind.probabilities(torch.zeros(2, 1)) is None
    assert not any("Reliability" in type(a).__name__ for a in head.kind.artifacts(head))
