"""Which signals a training obeys when."""

import signal
from collections.abc import Iterator

import pytest

from multihead.training.interrupts import Interrupts, RunInterrupted


def test_a_signal_that_comes_twice_at_once_still_waits_for_the_checkpoint() -> None:
    """A scheduler tells every process of a job, and the job tells its worker."""
    noted = Interrupts()
    noted.training = True
    noted.handle(signal.SIGTERM, None)
    noted.handle(signal.SIGTERM, None)
    assert noted.received == signal.SIGTERM


def test_a_later_second_signal_does_not_wait() -> None:
    noted = Interrupts(at_once_seconds=0)
    noted.training = True
    noted.handle(signal.SIGINT, None)
    with pytest.raises(RunInterrupted):
        noted.handle(signal.SIGINT, None)


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """Signals that reach whoever started the run."""
    found: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: found.append(signum))
    yield found
    signal.signal(signal.SIGTERM, before)


def test_a_signal_that_comes_while_the_record_is_written_is_obeyed_afterwards(
    heard: list[int],
) -> None:
    noted = Interrupts()
    with noted.installed():
        noted.held = True
        signal.raise_signal(signal.SIGTERM)
        assert heard == []
    assert heard == [signal.SIGTERM]


def test_a_signal_is_obeyed_although_the_run_failed(heard: list[int]) -> None:
    noted = Interrupts()

    def fail() -> None:
        with noted.installed():
            noted.held = True
            signal.raise_signal(signal.SIGTERM)
            raise ValueError("diverged")

    with pytest.raises(ValueError, match="diverged"):
        fail()
    assert heard == [signal.SIGTERM]


def test_a_signal_that_ended_the_run_is_not_sent_again(heard: list[int]) -> None:
    noted = Interrupts()
    with pytest.raises(RunInterrupted), noted.installed():
        signal.raise_signal(signal.SIGTERM)
    assert heard == []
