import torch

from multihead.heads import Head, Heads, Parameter
from multihead.training.pairs import PredictedPairs


def test_pairs_count_what_was_predicted_for_what() -> None:
    heads = Heads(
        [
            Head("shape", 3),
            Head("size", 5, kind="regression", parameter=Parameter(0.0, 8.0, levels=5)),
        ]
    )
    outputs = {
        "shape": torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]),
        "size": torch.tensor([[-2.0], [0.0], [0.0]]),
    }
    labels = {"shape": torch.tensor([0, 1, 1]), "size": torch.tensor([1.9, 4.0, 4.0])}
    pairs = PredictedPairs(heads)
    assert pairs.counts()["shape"].shape == (0, 3)
    pairs.add(outputs, labels)
    pairs.add(outputs, labels)
    assert pairs.counts()["shape"].tolist() == [[0, 0, 2], [1, 1, 4]]
    assert pairs.counts()["size"].tolist() == [[1, 0, 2], [2, 2, 4]]
    pairs.reset()
    assert pairs.counts()["size"].shape == (0, 3)
