import torch

from multihead.heads import Head, Heads, Parameter
from multihead.training.hardest_samples import KEPT, WorstPredictions


def test_the_worst_of_all_batches_come_first_and_right_ones_not_at_all() -> None:
    worst = WorstPredictions(Heads([Head("a", 2)]))
    sure, unsure, right = [5.0, 0.0], [1.0, 0.0], [0.0, 9.0]
    worst.add({"a": torch.tensor([right, unsure])}, {"a": torch.tensor([1, 1])})
    worst.add({"a": torch.tensor([right, sure])}, {"a": torch.tensor([1, 1])})
    found = worst.read()["a"]
    assert found.image.tolist() == [3, 1]
    assert (found.label.tolist(), found.predicted.tolist()) == ([1, 1], [0, 0])
    assert found.probability[0] == torch.tensor(sure).softmax(0)[0].item()


def test_only_the_worst_few_are_kept() -> None:
    worst = WorstPredictions(Heads([Head("a", 2)]))
    for _ in range(5):
        worst.add({"a": torch.randn(40, 2)}, {"a": torch.randint(2, (40,))})
    assert worst._kept["a"].shape == (KEPT, 5)


def test_parameters_are_ranked_by_distance() -> None:
    head = Head("r", 11, kind="ordinal", parameter=Parameter(0, 1, levels=11))
    worst = WorstPredictions(Heads([head]))
    worst.add({"r": torch.eye(11)[[5, 0, 5]] * 100}, {"r": torch.tensor([5, 9, 3])})
    found = worst.read()["r"]
    assert (found.image.tolist(), found.badness.tolist()) == ([1, 2], [9.0, 2.0])
