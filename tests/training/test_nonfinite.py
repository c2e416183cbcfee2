import torch

from multihead import Heads
from multihead.training.nonfinite import FiniteWatch


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
