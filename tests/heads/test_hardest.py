import torch
from torch import Tensor

from multihead.heads import Head, Parameter
from multihead.heads.artifacts.hardest import KEPT, Hardest, HardestClasses


def _added(worst: Hardest, *batches: tuple[Tensor, Tensor]) -> Hardest:
    seen = 0
    for outputs, labels in batches:
        worst.add(outputs, labels, torch.arange(seen, seen + len(labels)))
        seen += len(labels)
    return worst


def test_the_worst_of_all_batches_come_first_and_right_ones_not_at_all() -> None:
    sure, unsure, right = [5.0, 0.0], [1.0, 0.0], [0.0, 9.0]
    labels = torch.tensor([1, 1])
    worst = HardestClasses(Head("a", 2))
    batches = [torch.tensor([right, other]) for other in (unsure, sure)]
    found = _added(worst, *((outputs, labels) for outputs in batches)).read()
    assert found.image.tolist() == [3, 1]
    assert (found.label.tolist(), found.predicted.tolist()) == ([1, 1], [0, 0])
    assert found.probability[0] == torch.tensor(sure).softmax(0)[0].item()


def test_only_the_worst_few_are_kept() -> None:
    wrong = (torch.tensor([[1.0, 0.0]]).expand(40, 2), torch.ones(40, dtype=torch.long))
    assert len(_added(HardestClasses(Head("a", 2)), *[wrong] * 5).read().image) == KEPT


def test_parameters_are_ranked_by_distance() -> None:
    head = Head("r", 11, kind="ordinal", parameter=Parameter(0, 1, levels=11))
    batch = (torch.eye(11)[[5, 0, 5]] * 100, torch.tensor([5, 9, 3]))
    found = _added(Hardest(head), batch).read()
    assert (found.image.tolist(), found.badness.tolist()) == ([1, 2], [9.0, 2.0])
