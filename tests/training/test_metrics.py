import torch

from multihead import Heads
from multihead.training.metrics import ConfusionCounts, FiniteWatch, HeadSums, shortest

LOGITS = {
    "shape": torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "colour": torch.tensor([[1.0, 0], [1, 0], [1, 0]]),
}
LABELS = {"shape": torch.tensor([0, 1, 1]), "colour": torch.tensor([0, 1, 1])}


def test_sums_give_the_mean_over_images_not_over_batches(heads: Heads) -> None:
    """The last batch of an epoch is smaller."""
    sums = HeadSums(heads)
    sums.add(torch.tensor([3.0, 6.0]), LOGITS, LABELS)
    last = {name: values[:1] for name, values in LOGITS.items()}
    sums.add(torch.tensor([7.0, 2.0]), last, {n: v[:1] for n, v in LABELS.items()})
    loss, accuracy = sums.read()
    torch.testing.assert_close(loss, torch.tensor([4.0, 5.0]))
    torch.testing.assert_close(accuracy, torch.tensor([3 / 4, 2 / 4]))


def test_reading_starts_again_from_zero(heads: Heads) -> None:
    sums = HeadSums(heads)
    sums.add(torch.tensor([3.0, 6.0]), LOGITS, LABELS)
    sums.read()
    assert sums.read()[0].tolist() == [0, 0]


def test_sums_go_on_from_their_state(heads: Heads) -> None:
    first, second = HeadSums(heads), HeadSums(heads)
    first.add(torch.tensor([3.0, 6.0]), LOGITS, LABELS)
    second.restore(first.state())
    torch.testing.assert_close(second.read(), first.read())


def test_confusion_counts_have_labels_in_rows(heads: Heads) -> None:
    counts = ConfusionCounts(heads)
    counts.add(LOGITS, LABELS)
    assert counts.matrices()["shape"].tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert counts.matrices()["colour"].tolist() == [[1, 0], [2, 0]]


def test_the_watch_reports_the_first_step_and_head_that_were_not_finite(heads: Heads) -> None:
    watch = FiniteWatch(heads)
    watch.add(torch.tensor([1.0, 1.0]), 6)
    assert watch.report() is None
    watch.add(torch.tensor([1.0, torch.inf]), 7)
    watch.add(torch.tensor([torch.nan, 1.0]), 8)
    assert watch.report() == (7, "colour")
    assert watch.report() is None


def test_the_watch_says_when_it_must_be_asked(heads: Heads) -> None:
    """So that no step is forgotten between two questions to the device."""
    watch = FiniteWatch(heads)
    for step in range(watch.LENGTH):
        assert not watch.is_full
        watch.add(torch.tensor([1.0, 1.0]), step)
    assert watch.is_full


def test_a_metric_is_the_shortest_decimal_of_its_float32() -> None:
    assert shortest(torch.tensor(0.975)) == 0.975
    assert torch.tensor(shortest(torch.tensor(1 / 3))) == torch.tensor(1 / 3)
