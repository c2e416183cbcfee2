import pytest
import torch

from multihead.heads import Head, Heads, Parameter
from multihead.training.accumulators import HeadSums

LOGITS = {
    "shape": torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "colour": torch.tensor([[1.0, 0], [1, 0], [1, 0]]),
}
LABELS = {"shape": torch.tensor([0, 1, 1]), "colour": torch.tensor([0, 1, 1])}
SIZE = Heads([Head("size", 5, kind="regression", parameter=Parameter(0.0, 8.0, levels=5))])


def test_sums_give_the_mean_over_images_not_over_batches(heads: Heads) -> None:
    """The last batch of an epoch is smaller."""
    sums = HeadSums(heads)
    sums.add(torch.tensor([3.0, 6.0]), LOGITS, LABELS)
    last = {name: values[:1] for name, values in LOGITS.items()}
    sums.add(torch.tensor([7.0, 2.0]), last, {n: v[:1] for n, v in LABELS.items()})
    means = sums.read()
    assert means["shape"] == {"count": 4, "loss": 4.0, "correct": 3 / 4}
    assert means["colour"] == {"count": 4, "loss": 5.0, "correct": 2 / 4}


def test_reading_starts_again_from_zero(heads: Heads) -> None:
    sums = HeadSums(heads)
    sums.add(torch.tensor([3.0, 6.0]), LOGITS, LABELS)
    sums.read()
    assert sums.read()["shape"] == {"count": 0, "loss": 0, "correct": 0}


def test_errors_are_in_the_parameters_unit() -> None:
    sums = HeadSums(SIZE)
    sums.add(
        torch.tensor([1.0]),
        {"size": torch.tensor([[0.0], [0.0], [2.0]])},  # 4, 4, 8
        {"size": torch.tensor([2, 1, 4])},  # 4, 2, 8; a level is 2 wide
    )
    got = sums.read()["size"]
    assert got["correct"] == pytest.approx(2 / 3)
    assert got["absolute"] == pytest.approx(2 / 3)
    assert got["squared"] == pytest.approx(4 / 3)
    assert got["within"] == 1  # one level off is just within


def test_an_epoch_interrupted_anywhere_comes_to_the_same_sums_to_the_bit() -> None:
    heads = Heads([*SIZE.values(), Head("shape", 3)])
    draw = torch.Generator().manual_seed(0)
    batches = [
        (
            torch.rand(2, generator=draw),
            {
                "size": torch.randn(7, 1, generator=draw),
                "shape": torch.randn(7, 3, generator=draw),
            },
            {name: torch.randint(3, (7,), generator=draw) for name in heads},
        )
        for _ in range(2 * HeadSums.STEPS + 9)
    ]
    whole = HeadSums(heads)
    for batch in batches:
        whole.add(*batch)
    expected = whole.read()
    for stop in (1, HeadSums.STEPS - 1, HeadSums.STEPS, HeadSums.STEPS + 30):
        first, second = HeadSums(heads), HeadSums(heads)
        for batch in batches[:stop]:
            first.add(*batch)
        second.restore(first.state())
        for batch in batches[stop:]:
            second.add(*batch)
        assert second.read() == expected


def test_wide_outputs_do_not_wait_for_long() -> None:
    """What waits takes memory."""
    sums = HeadSums(Heads([Head("word", 2**18)]))
    for _ in range(6):
        sums.add(
            torch.tensor([1.0]),
            {"word": torch.zeros(1, 2**18)},
            {"word": torch.zeros(1, dtype=torch.long)},
        )
    assert len(sums.state()["sizes"]) == 1


def test_what_waits_holds_no_graph(heads: Heads) -> None:
    sums = HeadSums(heads)
    logits = {n: v.clone().requires_grad_() * 2 for n, v in LOGITS.items()}
    sums.add(torch.tensor([3.0, 6.0], requires_grad=True) * 2, logits, LABELS)
    state = sums.state()
    assert not any(t.requires_grad for t in [*state["losses"], *state["outputs"]["shape"]])
