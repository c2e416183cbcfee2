import pytest
import torch
from torch import Tensor

from multihead.heads import Head, Parameter
from multihead.heads.artifacts.confusion import Confusion

SIZE = Head("size", 5, kind="regression", parameter=Parameter(0.0, 8.0, levels=5))


@pytest.mark.parametrize(
    ("head", "outputs", "labels", "counted"),
    [
        (
            Head("shape", 3),
            torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]),
            torch.tensor([0, 1, 1]),
            [[0, 0, 2], [1, 1, 4]],
        ),
        (
            SIZE,
            torch.tensor([[-2.0], [0.0], [0.0]]),
            torch.tensor([1.9, 4.0, 4.0]),
            [[1, 0, 2], [2, 2, 4]],
        ),
    ],
)
def test_pairs_count_what_was_predicted_for_what(
    head: Head, outputs: Tensor, labels: Tensor, counted: list[list[int]]
) -> None:
    pairs = Confusion(head)
    assert pairs.counts().shape == (0, 3)
    for _ in range(2):
        pairs.add(outputs, labels, torch.arange(3))
    assert pairs.counts().tolist() == counted
    pairs.reset()
    assert pairs.counts().shape == (0, 3)
