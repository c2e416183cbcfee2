"""Which signals a training obeys when."""

import signal

import pytest

from multihead.training import interrupts
from multihead.training.interrupts import Interrupts, RunInterrupted


def test_a_signal_that_comes_twice_at_once_still_waits_for_the_checkpoint() -> None:
    """A scheduler tells every process of a job, and the job tells its worker."""
    noted = Interrupts()
    noted.training = True
    noted.handle(signal.SIGTERM, None)
    noted.handle(signal.SIGTERM, None)
    assert noted.received == signal.SIGTERM


def test_a_later_second_signal_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_AT_ONCE_SECONDS", 0)
    noted = Interrupts()
    noted.training = True
    noted.handle(signal.SIGINT, None)
    with pytest.raises(RunInterrupted):
        noted.handle(signal.SIGINT, None)
